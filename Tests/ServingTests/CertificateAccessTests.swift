import Access
import Inference
import Pools
import Serving
import Testing

private let scorer = "certificate:spiffe://example.org/scorer"

/// A door to an endpoint "m" that takes principals.
private func withDoor(_ body: (ServingDoor) throws -> Void) async throws {
  let blue = try Served(version: "blue")
  let board = ServingBoard()
  board.publish(
    snapshot(
      [blue.deployment], split: ["blue": 100],
      policy: EndpointPolicy(name: "m", access: .aadToken(endpoint: 1, generation: 1))))
  let door = ServingDoor(
    board: board, admission: Admission(limit: 10),
    credentials: DoorCredentials(cache: CredentialCache(seed: .random()), now: { 1_700_000_000 }))
  try body(door)
  await blue.deployment.pool.drain()
}

extension ServingDoor {
  fileprivate func submit(certificate: String, authorization: String = "") throws -> (Submission, caller: UInt64) {
    let request = try request()
    return Array(certificate.utf8).withUnsafeBytes { certificate in
      Array(authorization.utf8).withUnsafeBytes { authorization in
        request.pointer.pointee.certificate = certificate
        request.pointer.pointee.credential = authorization
        let submission = submit(request.pointer, now: .now())
        if submission == .accepted {
          endOfTurn()
          request.wait()
          finish(request.pointer)
        }
        return (submission, request.pointer.pointee.caller)
      }
    }
  }

  fileprivate func need(certificate: String, authorization: String = "") -> VerificationNeed? {
    Array("m".utf8).withUnsafeBytes { name in
      Array(certificate.utf8).withUnsafeBytes { certificate in
        Array(authorization.utf8).withUnsafeBytes {
          verificationNeed(name, authorization: $0, certificate: certificate)
        }
      }
    }
  }
}

@Test func `who has a certificate is verified once, and then known by it`() async throws {
  try await withDoor { (door: ServingDoor) throws in
    #expect(try door.submit(certificate: scorer).0 == .needsVerification)
    let need = try #require(door.need(certificate: scorer))
    #expect(need.credential == PresentedCredential(certificate: Array(scorer.utf8)))
    door.remember(CredentialVerdict(.allowed(caller: 77), expires: 1_700_000_100, generation: 1, log: ""), for: need)
    let known = try door.submit(certificate: scorer)
    #expect(known.0 == .accepted && known.caller == 77)
    #expect(try door.submit(certificate: scorer + "2").0 == .needsVerification)
    #expect(refusal(try door.submit(certificate: "").0)?.code == .unauthenticated)
    // The name is no token, whoever says it.
    #expect(try door.submit(certificate: "", authorization: "Bearer \(scorer)").0 != .accepted)
  }
}

@Test func `a token counts before a certificate`() async throws {
  try await withDoor { (door: ServingDoor) throws in
    let need = try #require(door.need(certificate: scorer))
    door.remember(CredentialVerdict(.allowed(caller: 77), expires: 1_700_000_100, generation: 1, log: ""), for: need)
    #expect(try door.submit(certificate: scorer, authorization: "Bearer ey.other").0 == .needsVerification)
    let other = try #require(door.need(certificate: scorer, authorization: "Bearer ey.other"))
    #expect(other.credential == PresentedCredential(authorization: Array("Bearer ey.other".utf8)))
    door.remember(CredentialVerdict(.refused(.forbidden), expires: 1_700_000_100, generation: 1, log: ""), for: other)
    #expect(
      refusal(try door.submit(certificate: scorer, authorization: "Bearer ey.other").0)?.code == .permissionDenied)
    #expect(try door.submit(certificate: scorer).0 == .accepted)
  }
}
