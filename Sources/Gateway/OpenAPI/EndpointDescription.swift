package import Inference

/// An endpoint in the words of OpenAPI: what its scoring takes and gives, from the signature of the model behind it, with
/// an example that can be sent as it stands.
package struct EndpointDescription: Sendable {
  /// Elements of an example, at most: larger inputs are described without one.
  static let maxExampleElements = 4096

  package var endpoint: String
  /// Such as the deployment that is described.
  package var version: String
  package var signature: ModelSignature

  package init(endpoint: String, version: String, signature: ModelSignature) {
    self.endpoint = endpoint
    self.version = version
    self.signature = signature
  }

  package func document(_ version: OpenAPIVersion) -> JSONDocument {
    switch version {
    case .two: swagger
    case .three, .threeOne: openAPI(version)
    }
  }

  // MARK: - Bodies

  private var inputs: [TensorSchema] {
    signature.inputs.map { TensorSchema(tensor: $0, isBatched: signature.isBatchable) }
  }

  private var outputs: [TensorSchema] {
    signature.outputs.map { TensorSchema(tensor: $0, isBatched: signature.isBatchable) }
  }

  /// A body that the model takes; nil if its tensors are too large to print.
  package var example: JSONDocument? {
    guard inputs.allSatisfy({ $0.exampleCount <= Self.maxExampleElements / max(1, inputs.count) }) else { return nil }
    if inputs.count == 1 { return ["input_data": inputs[0].example()] }
    return ["input_data": .object(inputs.map { .init(name: $0.tensor.name, value: $0.example()) })]
  }

  private var inputSchema: JSONDocument {
    let data: JSONDocument
    if inputs.count == 1 {
      data = inputs[0].schema()
    } else {
      data = .members([
        "type": "object", "required": inputs.isEmpty ? nil : .list(inputs.map { .string($0.tensor.name) }),
        "properties": .object(inputs.map { .init(name: $0.tensor.name, value: $0.schema()) }),
      ])
    }
    return .members([
      "type": "object", "required": ["input_data"],
      "properties": ["input_data": data, "params": ["type": "object"]], "example": example,
    ])
  }

  private var outputSchema: JSONDocument {
    if outputs.count == 1 { return outputs[0].schema() }
    let haveRows = signature.isBatchable && outputs.allSatisfy { !$0.tensor.shape.isEmpty }
    let properties = JSONDocument.object(
      outputs.map { .init(name: $0.tensor.name, value: $0.schema(fromAxis: haveRows ? 1 : 0)) })
    let object: JSONDocument = ["type": "object", "properties": properties]
    return haveRows ? ["type": "array", "items": object] : object
  }

  private var errorSchema: JSONDocument {
    ["type": "object", "required": ["message"], "properties": ["message": ["type": "string"]]]
  }

  private var information: JSONDocument {
    [
      "title": .string(endpoint), "version": .string(version),
      "description":
        """
        Scores the endpoint. Besides the form described here, the body may be {"inputs": …} or {"instances": …} as \
        TensorFlow Serving takes them, a table {"input_data": {"columns", "index", "data"}}, or a request of the Open \
        Inference Protocol; the answer has the form of the question.
        """,
    ]
  }

  private var basePath: String { "/endpoints/\(endpoint)" }

  private let versionWords: JSONDocument = ["2", "2.0", "3", "3.0", "3.1"]
  private let bearer: JSONDocument = ["Bearer": ["type": "apiKey", "name": "Authorization", "in": "header"]]
  private let security: JSONDocument = [["Bearer": []]]

  private var schemas: JSONDocument {
    ["ServiceInput": inputSchema, "ServiceOutput": outputSchema, "ErrorResponse": errorSchema]
  }

  // MARK: - 2.0

  private var swagger: JSONDocument {
    func response(_ text: String, _ schema: String) -> JSONDocument {
      ["description": .string(text), "schema": ["$ref": .string("#/definitions/\(schema)")]]
    }
    let failure = response("Failure, with its reason.", "ErrorResponse")
    let body: JSONDocument = [
      "name": "serviceInputPayload", "in": "body", "required": true, "schema": ["$ref": "#/definitions/ServiceInput"],
    ]
    let score: JSONDocument = [
      "operationId": "RunMLService", "summary": "Run the model on the inputs of the body.", "security": security,
      "parameters": .list([body]),
      "responses": ["200": response("The model's outputs.", "ServiceOutput"), "default": failure],
    ]
    let description: JSONDocument = ["description": "The description.", "schema": ["type": "object"]]
    let describe: JSONDocument = [
      "operationId": "DescribeService", "summary": "This description.", "security": security,
      "parameters": .list([["name": "version", "in": "query", "type": "string", "enum": versionWords]]),
      "responses": ["200": description, "default": failure],
    ]
    return [
      "swagger": "2.0", "info": information, "basePath": .string(basePath), "schemes": ["https", "http"],
      "consumes": ["application/json"], "produces": ["application/json"], "securityDefinitions": bearer,
      "paths": ["/score": ["post": score], "/swagger.json": ["get": describe]], "definitions": schemas,
    ]
  }

  // MARK: - 3.0 and 3.1

  private func openAPI(_ version: OpenAPIVersion) -> JSONDocument {
    func json(_ schema: JSONDocument, _ example: JSONDocument? = nil) -> JSONDocument {
      ["application/json": .members(["schema": schema, "example": example])]
    }
    func reference(_ name: String) -> JSONDocument { ["$ref": .string("#/components/schemas/\(name)")] }
    let failure: JSONDocument = [
      "description": "Failure, with its reason.", "content": json(reference("ErrorResponse")),
    ]
    let success: JSONDocument = ["description": "The model's outputs.", "content": json(reference("ServiceOutput"))]
    let score: JSONDocument = [
      "operationId": "RunMLService", "summary": "Run the model on the inputs of the body.", "security": security,
      "requestBody": ["required": true, "content": json(reference("ServiceInput"), example)],
      "responses": ["200": success, "default": failure],
    ]
    let parameter: JSONDocument = [
      "name": "version", "in": "query", "schema": ["type": "string", "enum": versionWords],
    ]
    let description: JSONDocument = ["description": "The description.", "content": json(["type": "object"])]
    let describe: JSONDocument = [
      "operationId": "DescribeService", "summary": "This description.", "security": security,
      "parameters": .list([parameter]), "responses": ["200": description, "default": failure],
    ]
    return [
      "openapi": .string(version.rawValue), "info": information, "servers": .list([["url": .string(basePath)]]),
      "paths": ["/score": ["post": score], "/swagger.json": ["get": describe]],
      "components": ["securitySchemes": bearer, "schemas": schemas],
    ]
  }
}
