import Testing
import apus

@Suite struct RolloutStepsTests {
  @Test(arguments: [["25", "50", "100"], ["25,50,100"], ["25,50", "100"]])
  func `steps are apart by spaces or by commas`(arguments: [String]) throws {
    #expect(try RolloutSteps.parse(arguments) == [25, 50, 100])
  }

  @Test(arguments: [
    (["25,abc"], "'abc'"), (["25,,100"], "''"), (["25,"], "''"), (["25;50"], "'25;50'"), (["0,50"], "'0'"),
    (["50", "101"], "'101'"), (["-5"], "'-5'"), (["2.5"], "'2.5'"), (["25, 50"], "' 50'"), (["50,25"], "25 after 50"),
    (["50", "50"], "50 after 50"),
  ]) func `a step that is none, or does not ascend, is named`(arguments: [String], words: String) {
    do {
      let steps = try RolloutSteps.parse(arguments)
      Issue.record("taken as \(steps)")
    } catch {
      #expect(error.message.contains(words) && error.message.contains("such as 25,50,100"), "\(error)")
    }
  }
}
