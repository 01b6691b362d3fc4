internal import EventLoops
internal import Glibc
internal import Inference
internal import Threads
package import Transport

/// Finds the addresses behind names, away from the event loops: the name service may take its time.
///
/// Calls wait in their loop meanwhile, each until its own deadline.
package final class NameResolver: Sendable {
  /// The addresses of one name, or why there are none.
  package typealias Found = Result<[ResolvedAddress], ClientError>

  private let lookUp: @Sendable (SocketAddress) -> Found

  /// - Parameter lookUp: May block.
  package init(_ lookUp: @escaping @Sendable (SocketAddress) -> Found = NameResolver.askTheSystem) {
    self.lookUp = lookUp
  }

  package static let askTheSystem: @Sendable (SocketAddress) -> Found = { address in
    do throws(SystemError) {
      return .success(try ResolvedAddress.resolve(address))
    } catch {
      guard case .tcp(let host, _) = address else {
        return .failure(ClientError(.connection, .unavailable, "can't use \(address): \(error)"))
      }
      return .failure(ClientError(.connection, .unavailable, "there is no host named '\(host)'"))
    }
  }

  /// Looks all of them up, on a thread of its own unless none needs the name service.
  ///
  /// - Parameter done: On any thread, maybe before this returns.
  func resolve(_ addresses: [SocketAddress], _ done: @escaping @Sendable ([Found]) -> Void) {
    if addresses.allSatisfy(\.isNumeric) { return done(addresses.map(lookUp)) }
    do throws(InferenceError) {
      try OwnThread(name: "apus-resolver") { [lookUp] in done(addresses.map(lookUp)) }.detach()
    } catch {
      let failure = ClientError(.connection, .unavailable, "can't look up hosts: \(error.message)")
      done(addresses.map { _ in .failure(failure) })
    }
  }
}

extension SocketAddress {
  /// Whether there is no name in it.
  fileprivate var isNumeric: Bool {
    guard case .tcp(let host, _) = self else { return true }
    var room = in6_addr()
    return inet_pton(AF_INET, host, &room) == 1 || inet_pton(AF_INET6, host, &room) == 1
  }
}
