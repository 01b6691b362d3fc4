import Access
import Glibc
import Inference
import Pools
import Routing
import Serving
import Testing

/// A door to an endpoint "m" with an access rule, and to nothing else.
private func withDoor(
  _ access: EndpointAccess, unknown: EndpointAccess? = nil, at seconds: Int64 = 1_700_000_000,
  _ body: (ServingDoor, Admission) throws -> Void
) async throws {
  let blue = try Served(version: "blue")
  let board = ServingBoard()
  let plain = snapshot([blue.deployment], split: ["blue": 100])
  board.publish(
    ServingSnapshot(
      routing: plain.routing, deployments: plain.deployments,
      policies: ["m": EndpointPolicy(name: "m", access: access)], unknownAccess: unknown))
  let admission = Admission(limit: 10)
  let door = ServingDoor(
    board: board, admission: admission,
    credentials: DoorCredentials(cache: CredentialCache(seed: .random()), now: { seconds }))
  try body(door, admission)
  #expect(admission.requestsInFlight == 0)
  await blue.deployment.pool.drain()
}

private struct Outcome: Equatable {
  var submission: ServingDoor.Submission
  var caller: UInt64

  init(_ submission: ServingDoor.Submission, caller: UInt64) {
    self.submission = submission
    self.caller = caller
  }
}

extension ServingDoor {
  /// Submits with a credential, and lets what is accepted come back.
  fileprivate func submit(_ model: String = "m", credential: String) throws -> Outcome {
    let request = try request(model)
    var credential = credential
    let submission = credential.withUTF8 {
      request.pointer.pointee.credential = UnsafeRawBufferPointer($0)
      return submit(request.pointer, now: .now())
    }
    if submission == .accepted {
      endOfTurn()
      request.wait()
      finish(request.pointer)
    }
    return Outcome(submission, caller: request.pointer.pointee.caller)
  }
}

private let missing = InferenceError.unauthenticated(
  "a credential is required: send 'authorization: Bearer <key or token>'")
private let invalid = InferenceError.unauthenticated("the credential is not valid here")

@Test func `a key opens its endpoint, and says who calls`() async throws {
  var generator = SystemRandomNumberGenerator()
  let keys = try EndpointKeys(
    primary: "primary-key-of-thirty-two-letters", secondary: "secondary-key-of-thirty-two-letters", using: &generator)
  try await withDoor(.keys(keys, endpoint: 1, generation: 1)) { (door: ServingDoor, _: Admission) throws in
    #expect(try door.submit(credential: "Bearer primary-key-of-thirty-two-letters") == Outcome(.accepted, caller: 1))
    #expect(try door.submit(credential: "Bearer secondary-key-of-thirty-two-letters") == Outcome(.accepted, caller: 2))
    #expect(try door.submit(credential: "Bearer primary-key-of-thirty-two-letters") == Outcome(.accepted, caller: 1))
    #expect(try door.submit(credential: "") == Outcome(.refused(missing), caller: 0))
    #expect(try door.submit(credential: "Bearer wrong") == Outcome(.refused(invalid), caller: 0))
  }
}

@Test func `a token that the door does not know is verified, and then known`() async throws {
  try await withDoor(.aadToken(endpoint: 1, generation: 1)) { (door: ServingDoor, _: Admission) throws in
    #expect(try door.submit(credential: "Bearer eyJh.eyJp.c2ln").submission == .needsVerification)
    let need = try #require(verificationNeed(door, "m", "Bearer eyJh.eyJp.c2ln"))
    #expect(need.endpoint == "m" && need.credential.authorization == Array("Bearer eyJh.eyJp.c2ln".utf8))
    door.remember(
      CredentialVerdict(.allowed(caller: 77), expires: 1_700_000_100, generation: 1, log: ""), for: need)
    #expect(try door.submit(credential: "Bearer eyJh.eyJp.c2ln") == Outcome(.accepted, caller: 77))
    let other = try #require(verificationNeed(door, "m", "Bearer eyJo.eyJ0.aGVy"))
    door.remember(
      CredentialVerdict(.refused(.forbidden), expires: 1_700_000_100, generation: 1, log: ""), for: other)
    #expect(
      try door.submit(credential: "Bearer eyJo.eyJ0.aGVy").submission
        == .refused(.permissionDenied("the credential does not allow this")))
  }
}

private func verificationNeed(_ door: ServingDoor, _ endpoint: String, _ credential: String) -> VerificationNeed? {
  Array(endpoint.utf8).withUnsafeBytes { endpoint in
    Array(credential.utf8).withUnsafeBytes { door.verificationNeed(endpoint, authorization: $0) }
  }
}

@Test func `a stranger can't tell an endpoint that there is from one that there isn't`() async throws {
  let unknown = EndpointAccess.aadToken(endpoint: 0, generation: 1)
  try await withDoor(.aadToken(endpoint: 1, generation: 1), unknown: unknown) { (door: ServingDoor, _: Admission) throws in
    for name in ["m", "stranger"] {
      #expect(try door.submit(name, credential: "").submission == .refused(missing))
      #expect(try door.submit(name, credential: "Basic x").submission != .accepted)
      #expect(try door.submit(name, credential: "Bearer eyJh.eyJp.c2ln").submission == .needsVerification)
      let need = try #require(verificationNeed(door, name, "Bearer eyJh.eyJp.c2ln"))
      door.remember(
        CredentialVerdict(.refused(.forbidden), expires: 1_700_000_100, generation: 1, log: ""), for: need)
      #expect(
        try door.submit(name, credential: "Bearer eyJh.eyJp.c2ln").submission
          == .refused(.permissionDenied("the credential does not allow this")))
    }
    // Only who may score everywhere is told.
    let need = try #require(verificationNeed(door, "stranger", "Bearer eyJh.eyJk.bWlu"))
    #expect(need.endpoint == "")
    door.remember(
      CredentialVerdict(.allowed(caller: 5), expires: 1_700_000_100, generation: 1, log: ""), for: need)
    #expect(
      try door.submit("stranger", credential: "Bearer eyJh.eyJk.bWlu").submission
        == .refused(.notFound("Request for unknown model: 'stranger' is not found")))
  }
}

@Test func `a repository's model needs no credential, and an unknown one is not found as ever`() async throws {
  let model = try Served()
  let board = ServingBoard()
  board.publish(snapshot([model.deployment]))
  let door = ServingDoor(board: board, admission: Admission(limit: 10))
  #expect(try door.submit(credential: "").submission == .accepted)
  #expect(try door.submit("stranger", credential: "").submission == .refused(.notFound("Request for unknown model: 'stranger' is not found")))
  #expect(door.isOpen("m") && door.isOpen("stranger"))
  await model.deployment.pool.drain()
}

@Test func `without a cache of credentials, an endpoint that asks for one is closed`() async throws {
  let blue = try Served(version: "blue")
  let board = ServingBoard()
  board.publish(
    snapshot(
      [blue.deployment], split: ["blue": 100],
      policy: EndpointPolicy(name: "m", access: .aadToken(endpoint: 1, generation: 1))))
  let door = ServingDoor(board: board, admission: Admission(limit: 10))
  #expect(refusal(try door.submit(credential: "Bearer eyJh.eyJp.c2ln").submission)?.code == .unavailable)
  await blue.deployment.pool.drain()
}

/// The whole way of a request with a key to its pool, and its decision alone. `BENCH_ROUNDS` makes it long enough.
@Test func `a key that is known is found again, every time`() async throws {
  let rounds = getenv("BENCH_ROUNDS").flatMap { Int(String(cString: $0)) } ?? 1000
  var generator = SystemRandomNumberGenerator()
  let keys = try EndpointKeys(
    primary: "primary-key-of-thirty-two-letters", secondary: "secondary-key-of-thirty-two-letters", using: &generator)
  try await withDoor(.keys(keys, endpoint: 1, generation: 1)) { (door: ServingDoor, _: Admission) throws in
    let (name, credential) = (Array("m".utf8), Array("Bearer primary-key-of-thirty-two-letters".utf8))
    var refused = 0
    let start = Instant.now()
    name.withUnsafeBytes { name in
      credential.withUnsafeBytes { credential in
        for _ in 0..<rounds where door.checkAccess(name, authorization: credential) != nil { refused += 1 }
      }
    }
    print("access: \(Instant.now().nanoseconds(since: start) / UInt64(rounds)) ns to look an endpoint up and know a key again")
    #expect(refused == 0)
  }
}
