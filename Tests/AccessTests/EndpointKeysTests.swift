import Access
import Glibc
import Inference
import Testing

@Test func `keys are long, all different, and known by their prefix`() {
  var generator = SystemRandomNumberGenerator()
  let texts = (0..<100).flatMap { _ in
    let keys = EndpointKeys(using: &generator)
    return [keys.primary.text, keys.secondary.text]
  }
  #expect(Set(texts).count == 200)
  for text in texts {
    #expect(text.hasPrefix("apus_") && text.utf8.count == 48)
    #expect(text.utf8.allSatisfy { "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-".utf8.contains($0) })
  }
}

@Test func `a key never prints itself`() {
  let keys = someKeys(1)
  #expect(!"\(keys)".contains(keys.primary.text) && !String(reflecting: keys.primary).contains(keys.primary.text))
}

@Test func `regenerating one key leaves the other`() throws {
  var generator = SeededGenerator(seed: 2)
  for which in EndpointKeys.Which.allCases {
    var keys = someKeys(1)
    try keys.regenerate(which, using: &generator)
    #expect((keys.primary == someKeys(1).primary) == (which == .secondary))
    #expect((keys.secondary == someKeys(1).secondary) == (which == .primary))
  }
}

@Test func `a chosen key is taken as it is, unless it is weak, odd or the other key`() throws {
  var generator = SeededGenerator(seed: 2)
  var keys = someKeys(1)
  let chosen = String(repeating: "k", count: 32)
  try keys.regenerate(.secondary, value: chosen, using: &generator)
  #expect(keys.secondary.text == chosen)
  let before = keys
  let bad = [
    (String(repeating: "k", count: 31), "keyValue: expected 32 to 256 characters, got 31"),
    (String(repeating: "k", count: 257), "keyValue: expected 32 to 256 characters, got 257"),
    (String(repeating: "k ", count: 20), "keyValue: expected printable ASCII characters without spaces"),
    (chosen, "keyValue: the primary and the secondary key must differ"),
  ]
  for (value, message) in bad {
    #expect(throws: InferenceError.invalidArgument(message)) {
      try keys.regenerate(.primary, value: value, using: &generator)
    }
    #expect(keys == before)
  }
}

@Test func `the names of keys are as documented, in any case`() throws {
  #expect(try EndpointKeys.Which(parsing: "Primary") == .primary)
  #expect(try EndpointKeys.Which(parsing: "secondary") == .secondary)
  #expect(throws: InferenceError.invalidArgument("keyType: expected 'Primary' or 'Secondary', got 'Third'")) {
    try EndpointKeys.Which(parsing: "Third")
  }
}

@Test func `sealed keys open again, and only for their endpoint`() throws {
  let keys = someKeys(1)
  let master = MasterKeys(current: someMasterKey(5))
  let sealed = keys.sealed(for: "churn", under: master)
  #expect(!sealed.contains(keys.primary.text))
  #expect(sealed != keys.sealed(for: "churn", under: master))  // another nonce
  #expect(try EndpointKeys(sealed: sealed, for: "churn", under: master) == keys)
  #expect(throws: InferenceError.self) { try EndpointKeys(sealed: sealed, for: "other", under: master) }
}

/// Every byte of the sealed text is changed in turn.
@Test func `a sealed text that was changed anywhere does not open`() throws {
  let master = MasterKeys(current: someMasterKey(5))
  let sealed = Array(master.seal("secret", purpose: "here").utf8)
  for index in sealed.indices {
    var changed = sealed
    changed[index] = changed[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
    #expect(throws: InferenceError.self) { try master.open(String(decoding: changed, as: UTF8.self), purpose: "here") }
  }
  #expect(throws: InferenceError.self) { try master.open("", purpose: "here") }
}

@Test func `rewrapping moves a secret under the new master key, and the old one can go`() throws {
  let old = MasterKeys(current: someMasterKey(1))
  let both = MasterKeys(current: someMasterKey(2), previous: [someMasterKey(1)])
  let new = MasterKeys(current: someMasterKey(2))
  let sealed = old.seal("secret", purpose: "here")
  #expect(try both.open(sealed, purpose: "here") == "secret")
  let rewrapped = try #require(try both.rewrap(sealed, purpose: "here"))
  #expect(try new.open(rewrapped, purpose: "here") == "secret")
  #expect(try both.rewrap(rewrapped, purpose: "here") == nil)
  let error = #expect(throws: InferenceError.self) { try new.open(sealed, purpose: "here") }
  #expect(error?.message.contains(someMasterKey(1).id) == true)
}

@Test func `a master key's file is its owner's alone, and is refused when it is not`() throws {
  try inTemporaryFolder { folder in
    let path = folder + "/master.key"
    var generator = SystemRandomNumberGenerator()
    let mask = umask(0)
    let key = try MasterKey.create(at: path, using: &generator)
    umask(mask)
    #expect(try MasterKey.read(at: path).id == key.id)
    #expect(throws: InferenceError.alreadyExists("master key: '\(path)' exists; it is not replaced")) {
      try MasterKey.create(at: path, using: &generator)
    }
    for mode: mode_t in [0o640, 0o604, 0o620, 0o666] {
      chmod(path, mode)
      let error = #expect(throws: InferenceError.self) { try MasterKey.read(at: path) }
      #expect(error?.message.contains("its mode is 0\(String(mode, radix: 8)), expected 0600; run: chmod 600") == true)
    }
    chmod(path, 0o600)
    #expect(try MasterKey.read(at: path).id == key.id)
    truncate(path, 31)
    #expect(throws: InferenceError.failedPrecondition("master key: '\(path)' has 31 bytes; expected 32")) {
      try MasterKey.read(at: path)
    }
    symlink(path, folder + "/link")
    mkfifo(folder + "/pipe", 0o600)
    for name in ["link", "pipe", "missing"] {
      #expect(throws: InferenceError.self) { try MasterKey.read(at: "\(folder)/\(name)") }
    }
  }
}

private func someMasterKey(_ seed: UInt64) -> MasterKey {
  var generator = SeededGenerator(seed: seed)
  return MasterKey(using: &generator)
}

private func inTemporaryFolder(_ body: (String) throws -> Void) throws {
  var template = Array("/tmp/apus-access-XXXXXX".utf8CString)
  let path = try #require(mkdtemp(&template).map { String(cString: $0) })
  defer {
    for name in ["master.key", "link", "pipe"] { unlink("\(path)/\(name)") }
    rmdir(path)
  }
  try body(path)
}
