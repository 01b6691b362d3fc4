import Gateway
import HTTPTypes
import Inference
import Testing

@Test func `every error code has a status of HTTP`() {
  let statuses: [(InferenceError.Code, Int)] = [
    (.invalidArgument, 400), (.unauthenticated, 401), (.permissionDenied, 403), (.notFound, 404),
    (.deadlineExceeded, 408), (.alreadyExists, 409), (.aborted, 409), (.failedPrecondition, 409),
    (.resourceExhausted, 429), (.cancelled, 499), (.internal, 500), (.unimplemented, 501), (.unavailable, 503),
  ]
  for (code, status) in statuses { #expect(HTTPResponse.Status(code).code == status) }
}

@Test func `errors have the form of their route`() {
  func text(_ form: ErrorForm) -> String { String(decoding: form.body(.notFound, "no \"x\""), as: UTF8.self) }
  #expect(text(.protocolError) == #"{"error":"no \"x\""}"#)
  #expect(text(.message) == #"{"message":"no \"x\""}"#)
  #expect(text(.resource) == #"{"error":{"code":"NotFound","message":"no \"x\"","details":[]}}"#)
}
