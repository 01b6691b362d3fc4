internal import Foundation

/// A chart of lines as SVG text. Its colours are the page's: see `LoadReport.html`.
struct LineChart {
  enum Scale {
    case linear
    /// Values over 0; each power of ten has the same width.
    case logarithmic
    /// Percentiles: each further nine has the same width.
    case nines
  }

  struct Series {
    var name: String
    /// In the order of x.
    var points: [(x: Double, y: Double)]
    /// Which of the page's colours, 0 to 5.
    var color: Int
    /// Points are drawn where there are few.
    var hasMarks = false
  }

  struct Axis {
    var title: String
    var scale: Scale
    /// What a tick says.
    var label: (Double) -> String
  }

  var x: Axis
  var y: Axis
  var series: [Series]

  init(x: Axis, y: Axis, series: [Series]) { (self.x, self.y, self.series) = (x, y, series) }

  private let width = 640.0
  private let height = 300.0
  private let left = 64.0
  private let right = 34.0
  private let top = 14.0
  private let bottom = 42.0

  /// Empty where there is nothing to draw.
  var svg: String {
    let xs = series.flatMap { $0.points.map(\.x) }
    let ys = series.flatMap { $0.points.map(\.y) }
    guard xs.count > 1, let (xRange, xTicks) = LineChart.ticks(xs, x.scale, most: 8),
      let (yRange, yTicks) = LineChart.ticks(ys, y.scale, most: 6)
    else { return "" }
    func place(_ value: Double, _ scale: Scale, _ range: ClosedRange<Double>, _ from: Double, _ to: Double) -> Double {
      let (low, high) = (LineChart.position(range.lowerBound, scale), LineChart.position(range.upperBound, scale))
      let share = high > low ? (LineChart.position(value, scale) - low) / (high - low) : 0.5
      return from + min(max(share, 0), 1) * (to - from)
    }
    func px(_ value: Double) -> Double { place(value, x.scale, xRange, left, width - right) }
    func py(_ value: Double) -> Double { place(value, y.scale, yRange, height - bottom, top) }
    func n(_ value: Double) -> String { String(format: "%.1f", value) }

    var parts = ["<svg viewBox=\"0 0 \(Int(width)) \(Int(height))\" role=\"img\">"]
    for tick in yTicks {
      parts.append("<line class=\"grid\" x1=\"\(n(left))\" x2=\"\(n(width - right))\" y1=\"\(n(py(tick)))\" y2=\"\(n(py(tick)))\"/>")
      parts.append("<text class=\"tick\" text-anchor=\"end\" x=\"\(n(left - 8))\" y=\"\(n(py(tick) + 4))\">\(escaped(y.label(tick)))</text>")
    }
    for tick in xTicks {
      parts.append("<line class=\"grid\" x1=\"\(n(px(tick)))\" x2=\"\(n(px(tick)))\" y1=\"\(n(top))\" y2=\"\(n(height - bottom))\"/>")
      parts.append("<text class=\"tick\" text-anchor=\"middle\" x=\"\(n(px(tick)))\" y=\"\(n(height - bottom + 16))\">\(escaped(x.label(tick)))</text>")
    }
    parts.append("<text class=\"title\" text-anchor=\"middle\" x=\"\(n((left + width - right) / 2))\" y=\"\(n(height - 6))\">\(escaped(x.title))</text>")
    for line in series where !line.points.isEmpty {
      let points = line.points.map { "\(n(px($0.x))),\(n(py($0.y)))" }.joined(separator: " ")
      parts.append("<polyline class=\"line c\(line.color)\" points=\"\(points)\"/>")
      for point in line.points where line.hasMarks && line.points.count <= 120 {
        let title = "\(line.name): \(y.label(point.y)) at \(x.label(point.x))"
        parts.append("<circle class=\"mark c\(line.color)\" cx=\"\(n(px(point.x)))\" cy=\"\(n(py(point.y)))\" r=\"3\"><title>\(escaped(title))</title></circle>")
      }
    }
    return parts.joined(separator: "\n") + "\n</svg>"
  }

  /// The names of the lines, in their colours.
  var legend: String {
    let entries = series.map { "<span><i class=\"c\($0.color)\"></i>\(escaped($0.name))</span>" }
    return "<div class=\"legend\">\(entries.joined())</div>"
  }

  // MARK: Scales

  private static func position(_ value: Double, _ scale: Scale) -> Double {
    switch scale {
    case .linear: value
    case .logarithmic: log10(max(value, 1e-9))
    case .nines: -log10(max(1 - value / 100, 1e-6))
    }
  }

  /// The range that an axis shows and the values that it names. Nil without values.
  private static func ticks(_ values: [Double], _ scale: Scale, most: Int) -> (ClosedRange<Double>, [Double])? {
    guard let low = values.min(), let high = values.max() else { return nil }
    switch scale {
    case .linear:
      // From zero: a cut axis makes noise look like a trend.
      let step = roundStep(max(high, 1e-9) / Double(most))
      let count = max(Int((max(high, 1e-9) / step).rounded(.up)), 1)
      return (0...(Double(count) * step), (0...count).map { Double($0) * step })
    case .logarithmic:
      let first = Int(log10(max(low, 1e-6)).rounded(.down))
      let last = max(Int(log10(max(high, 1e-6)).rounded(.up)), first + 1)
      let factors = last - first <= 2 ? [1.0, 2, 5] : [1.0]
      let ticks = (first...last).flatMap { power in factors.map { $0 * pow(10, Double(power)) } }
      return (pow(10, Double(first))...pow(10, Double(last)), ticks.filter { $0 <= pow(10, Double(last)) })
    case .nines:
      let marks = [0.0, 50, 90, 99, 99.9, 99.99, 99.999]
      let end = marks.first { $0 >= min(high, 99.999) } ?? 99.999
      return (0...end, marks.filter { $0 <= end })
    }
  }

  /// 1, 2 or 5 times a power of ten, at least `least`.
  private static func roundStep(_ least: Double) -> Double {
    let power = pow(10, log10(least).rounded(.down))
    return [1, 2, 5, 10].map { $0 * power }.first { $0 >= least * 0.999_999 } ?? 10 * power
  }
}

/// Text inside markup.
func escaped(_ text: String) -> String {
  var result = ""
  for character in text {
    switch character {
    case "&": result += "&amp;"
    case "<": result += "&lt;"
    case ">": result += "&gt;"
    case "\"": result += "&quot;"
    default: result.append(character)
    }
  }
  return result
}
