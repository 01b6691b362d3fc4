/// Numbers as a person reads them in a reason.
enum Figures {
  /// `4.1 %`, `0.02 %`, `100 %`: one decimal, or two and three where the share is that small.
  static func percent(_ share: Double) -> String {
    let percent = share * 100
    let size = abs(percent)
    let decimals = size == 0 || size >= 0.1 ? 1 : size >= 0.01 ? 2 : 3
    return "\(rounded(percent, decimals: decimals)) %"
  }

  /// `4.1 % (41 of 1000)`.
  static func share(_ count: UInt64, of total: UInt64) -> String {
    "\(percent(total == 0 ? 0 : Double(count) / Double(total))) (\(count) of \(total))"
  }

  /// `850 µs`, `12.3 ms`, `2 s`.
  static func time(_ nanoseconds: UInt64) -> String {
    let value = Double(nanoseconds)
    return switch nanoseconds {
    case ..<1_000_000: "\(rounded(value / 1000, decimals: 1)) µs"
    case ..<1_000_000_000: "\(rounded(value / 1_000_000, decimals: 1)) ms"
    default: "\(rounded(value / 1_000_000_000, decimals: 1)) s"
    }
  }

  /// Shortest decimal form: without a fraction where it is whole.
  static func rounded(_ value: Double, decimals: Int) -> String {
    let scale = [1.0, 10, 100, 1000][decimals]
    guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
    let rounded = (value * scale).rounded() / scale
    return rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
  }
}
