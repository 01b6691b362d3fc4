import Inference
import Testing

@Test func `elements are walked from any offset, and never past the end`() {
  let bytes: [UInt8] = [2, 0, 0, 0, 65, 66, 0, 0, 0, 0, 1, 0, 0, 0, 67]
  bytes.withUnsafeBytes {
    let elements = BytesElements($0)
    #expect(elements.end(ofElements: 0) == 0)
    #expect(elements.end(ofElements: 1) == 6)
    #expect(elements.end(ofElements: 3) == 15)
    #expect(elements.end(ofElements: 2, from: 6) == 15)
    #expect(elements.end(ofElements: 4) == nil)
  }
  for cut in 0..<bytes.count {
    bytes[..<cut].withUnsafeBytes { #expect(BytesElements($0).end(ofElements: 3) == nil, "\(cut) bytes") }
  }
}
