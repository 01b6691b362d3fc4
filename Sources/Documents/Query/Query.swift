/// A question about a document in JMESPath: what to pick from it, and in what shape.
///
/// The whole language of the specification (jmespath.org/specification.html) with its functions. As in the reference
/// implementation, strings have an order too, and a bare word between backquotes is a string. What a query may cost is
/// bounded by `Limits`, whoever wrote it.
package struct Query: Sendable {
  /// What a query may take. Anything more is an error that names the limit.
  package enum Limits {
    /// The longest text, in bytes of UTF-8.
    package static let textBytes = 16 << 10
    /// How deep its expressions may be nested; a chain of words counts its links.
    package static let depth = 256
    /// How many expressions may be evaluated, and elements copied, for one answer.
    package static let steps = 1_000_000
  }

  private let expression: QueryExpression

  /// - Throws: What is wrong with the text, and at which character.
  package init(_ text: String) throws(QueryError) {
    expression = try QueryParser.expression(of: text)
  }

  /// What the document has to say; null where it has nothing.
  ///
  /// - Throws: When a function is given what it can't take, or the answer costs too much.
  package func answer(for document: Document) throws(QueryError) -> Document {
    var evaluator = QueryEvaluator()
    let answer = try evaluator.evaluate(expression, QueryValue(document))
    var size = 0
    return try answer.document(counting: &size)
  }
}
