internal import Access
internal import Inference
internal import Telemetry
internal import Transport

/// The principals that clients are by their certificates. The authority that signed them is the operator's choice:
/// `--tls-client-ca`.
internal struct CertificatePrincipals: Sendable {
  let log: Log

  /// The text form of the principal; nil for a certificate that has no name to go by: its bearer is nobody.
  @Sendable func name(_ certificate: PeerCertificate) -> String? {
    do throws(InferenceError) {
      let principal = try CertificateIdentity.principal(
        subject: certificate.subject, alternativeNames: certificate.alternativeNames)
      return principal.description
    } catch {
      log.warning("a client's certificate says nothing of it", ["subject": certificate.subject, "reason": error.message])
      return nil
    }
  }
}
