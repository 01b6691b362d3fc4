import Access
import Inference
import Testing

@Test(arguments: [
  ("CN=x", ["DNS:scorer.example", "URI:spiffe://example.org/ns/a/sa/scorer"], "certificate:spiffe://example.org/ns/a/sa/scorer"),
  ("CN=x", ["DNS:Scorer.Example", "IP Address:10.0.0.1"], "certificate:dns:scorer.example"),
  ("CN=scorer,OU=Team,O=Example", [], "certificate:cn:scorer"),
  ("O = Example, CN = the scorer ", [], "certificate:cn:the scorer"),
  ("/C=DE/O=Example/CN=scorer", [], "certificate:cn:scorer"),
  (#"CN=a\,b\=c,O=Example"#, [], "certificate:cn:a,b=c"),
  (#"CN="a, CN=b",O=Example"#, [], "certificate:cn:a, CN=b"),
  (#"CN=L\C4\8Di\c4\87,O=x"#, [], "certificate:cn:Lčić"),
  (#"O=Ex\,CN=evil,CN=good"#, [], "certificate:cn:good"),
  ("OU=a+CN=b,O=c", [], "certificate:cn:b"),
])
func `a certificate speaks for its SPIFFE ID, else its DNS name, else its common name`(
  subject: String, names: [String], expected: String
) throws {
  let id = try CertificateIdentity.principal(subject: subject, alternativeNames: names)
  #expect(id.description == expected)
}

@Test(arguments: [
  ("", []), ("O=Example", []), ("CN=a,CN=b", []), ("/CN=a/CN=b", []), ("/CN=a/b", []), (#"CN=a\"#, []), (#"CN="a"#, []),
  ("CN=", []), ("CN=a\nb", []), ("CN=x", ["URI:spiffe://a/b", "URI:spiffe://a/c"]), ("CN=x", ["URI:spiffe://"]),
  ("CN=x", ["URI:spiffe://A/b"]), ("CN=x", ["URI:spiffe://a//b"]), ("CN=x", ["URI:spiffe://a/../b"]),
  ("CN=x", ["URI:spiffe://a/b, DNS:c"]), ("CN=x", ["DNS:a", "DNS:b"]), ("CN=x", ["DNS:*.example"]), ("CN=x", ["DNS:"]),
] as [(String, [String])])
func `a certificate without one clear name is refused`(subject: String, names: [String]) {
  let error = #expect(throws: InferenceError.self) {
    try CertificateIdentity.principal(subject: subject, alternativeNames: names)
  }
  #expect(error?.code == .invalidArgument)
}

/// Random text of the characters that mean something never traps, whatever it says.
@Test func `a subject of any shape is read or refused`() {
  var generator = SeededGenerator(seed: 9)
  for _ in 0..<20_000 {
    let length = Int.random(in: 0...16, using: &generator)
    let characters = (0..<length).map { _ in #"CN=,+;\"/ a4f"#.randomElement(using: &generator) ?? "x" }
    _ = try? CertificateIdentity.principal(subject: String(characters), alternativeNames: [])
  }
}
