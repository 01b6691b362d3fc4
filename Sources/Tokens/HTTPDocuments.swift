internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1

/// Where an issuer's documents come from.
package protocol DocumentSource: Sendable {
  /// - Throws: What the operator should read.
  func document(at address: String, maxBytes: Int) async throws(DocumentError) -> FetchedDocument
}

package struct FetchedDocument: Hashable, Sendable {
  package var bytes: [UInt8]
  /// For how many seconds the server says that it holds; nil if it doesn't say.
  package var freshSeconds: Int64?

  package init(bytes: [UInt8], freshSeconds: Int64?) {
    self.bytes = bytes
    self.freshSeconds = freshSeconds
  }
}

package struct DocumentError: Error, Hashable, Sendable, CustomStringConvertible {
  package var description: String

  package init(_ description: String) { self.description = description }
}

/// Documents over HTTP. Follows no redirect: where keys come from is decided by the configuration alone.
package final class HTTPDocuments: DocumentSource {
  private let client: HTTPClient
  private let timeoutSeconds: Int64

  /// - Parameter timeoutSeconds: For one document, from the first byte sent to the last one received.
  package init(timeoutSeconds: Int64 = 5) {
    var configuration = HTTPClient.Configuration()
    configuration.redirectConfiguration = .disallow
    configuration.timeout = .init(connect: .seconds(timeoutSeconds), read: .seconds(timeoutSeconds))
    client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    self.timeoutSeconds = timeoutSeconds
  }

  /// Must be called before the last reference goes.
  package func shutdown() async { try? await client.shutdown() }

  package func document(at address: String, maxBytes: Int) async throws(DocumentError) -> FetchedDocument {
    do {
      var request = HTTPClientRequest(url: address)
      request.headers.add(name: "accept", value: "application/json")
      let response = try await client.execute(request, timeout: .seconds(timeoutSeconds))
      guard response.status == .ok else {
        throw DocumentError("\(address): expected status 200, got \(response.status.code)")
      }
      var bytes: [UInt8] = []
      for try await part in response.body {
        guard bytes.count + part.readableBytes <= maxBytes else {
          throw DocumentError("\(address): longer than \(maxBytes) bytes")
        }
        bytes += part.readableBytesView
      }
      return FetchedDocument(
        bytes: bytes, freshSeconds: CacheControl.freshSeconds(response.headers["cache-control"].joined(separator: ",")))
    } catch let error as DocumentError {
      throw error
    } catch {
      throw DocumentError("\(address): \(error)")
    }
  }
}

/// The header `cache-control` of a response. Source: RFC 9111, section 5.2.2.
enum CacheControl {
  /// Nil if it says nothing of time; 0 if it forbids to keep the response.
  static func freshSeconds(_ header: String) -> Int64? {
    var seconds: Int64?
    for directive in header.lowercased().split(separator: ",") {
      let directive = directive.filter { $0 != " " && $0 != "\t" && $0 != "\"" }
      if directive == "no-store" || directive == "no-cache" { return 0 }
      if directive.hasPrefix("max-age="), let age = Int64(directive.dropFirst(8)), age >= 0 { seconds = age }
    }
    return seconds
  }
}
