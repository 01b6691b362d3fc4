internal import CProtobufC
internal import CProtos
internal import Inference

/// A question about what the server serves. v1 and v1alpha are the same on the wire.
package struct ServerReflectionRequest: CMessage, Hashable {
  package enum Question: Hashable, Sendable {
    case fileByFilename(String)
    /// A service, method, message or enum by its full name.
    case fileContainingSymbol(String)
    case fileContainingExtension(type: String, number: Int32)
    case allExtensionNumbers(type: String)
    case listServices(String)
  }

  package var host: String
  package var question: Question?

  package init(host: String = "", question: Question?) {
    self.host = host
    self.question = question
  }

  static var initialize: (UnsafeMutablePointer<Grpc__Reflection__V1__ServerReflectionRequest>?) -> Void {
    grpc__reflection__v1__server_reflection_request__init
  }

  init(_ c: Grpc__Reflection__V1__ServerReflectionRequest) {
    host = string(c.host)
    switch c.message_request_case {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
      question = .fileByFilename(string(c.file_by_filename))
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
      question = .fileContainingSymbol(string(c.file_containing_symbol))
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
      let request = c.file_containing_extension.pointee
      question = .fileContainingExtension(type: string(request.containing_type), number: request.extension_number)
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
      question = .allExtensionNumbers(type: string(c.all_extension_numbers_of_type))
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
      question = .listServices(string(c.list_services))
    default:
      question = nil
    }
  }

  func fill(_ c: inout Grpc__Reflection__V1__ServerReflectionRequest, _ builder: MessageBuilder) {
    c.host = builder.string(host)
    switch question {
    case .fileByFilename(let name):
      c.message_request_case = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME
      c.file_by_filename = builder.string(name)
    case .fileContainingSymbol(let symbol):
      c.message_request_case = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL
      c.file_containing_symbol = builder.string(symbol)
    case .fileContainingExtension(let type, let number):
      c.message_request_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION
      let request = builder.make(grpc__reflection__v1__extension_request__init)
      request.pointee.containing_type = builder.string(type)
      request.pointee.extension_number = number
      c.file_containing_extension = request
    case .allExtensionNumbers(let type):
      c.message_request_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE
      c.all_extension_numbers_of_type = builder.string(type)
    case .listServices(let text):
      c.message_request_case = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES
      c.list_services = builder.string(text)
    case nil:
      break
    }
  }
}

/// The answer to one question.
package struct ServerReflectionResponse: CMessage, Hashable {
  package enum Answer: Hashable, Sendable {
    /// Serialized FileDescriptorProtos.
    case files([[UInt8]])
    case extensionNumbers(type: String, [Int32])
    /// Full names.
    case services([String])
    /// A gRPC status code and a text.
    case error(code: Int32, message: String)
  }

  package var validHost: String
  package var originalRequest: ServerReflectionRequest?
  package var answer: Answer?

  package init(validHost: String = "", originalRequest: ServerReflectionRequest?, answer: Answer?) {
    self.validHost = validHost
    self.originalRequest = originalRequest
    self.answer = answer
  }

  static var initialize: (UnsafeMutablePointer<Grpc__Reflection__V1__ServerReflectionResponse>?) -> Void {
    grpc__reflection__v1__server_reflection_response__init
  }

  init(_ c: Grpc__Reflection__V1__ServerReflectionResponse) throws(InferenceError) {
    validHost = string(c.valid_host)
    originalRequest = try optional(c.original_request)
    switch c.message_response_case {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE:
      let response = c.file_descriptor_response.pointee
      answer = .files(array(response.file_descriptor_proto, response.n_file_descriptor_proto).map { array($0) })
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE:
      let response = c.all_extension_numbers_response.pointee
      answer = .extensionNumbers(
        type: string(response.base_type_name), array(response.extension_number, response.n_extension_number))
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE:
      let response = c.list_services_response.pointee
      answer = .services(array(response.service, response.n_service).map { string($0!.pointee.name) })
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE:
      let response = c.error_response.pointee
      answer = .error(code: response.error_code, message: string(response.error_message))
    default:
      answer = nil
    }
  }

  func fill(_ c: inout Grpc__Reflection__V1__ServerReflectionResponse, _ builder: MessageBuilder) {
    c.valid_host = builder.string(validHost)
    c.original_request = builder.optional(originalRequest)
    switch answer {
    case .files(let files):
      c.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE
      let response = builder.make(grpc__reflection__v1__file_descriptor_response__init)
      response.pointee.n_file_descriptor_proto = files.count
      response.pointee.file_descriptor_proto = builder.scalars(files.map { builder.bytes($0) })
      c.file_descriptor_response = response
    case .extensionNumbers(let type, let numbers):
      c.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE
      let response = builder.make(grpc__reflection__v1__extension_number_response__init)
      response.pointee.base_type_name = builder.string(type)
      response.pointee.n_extension_number = numbers.count
      response.pointee.extension_number = builder.scalars(numbers)
      c.all_extension_numbers_response = response
    case .services(let names):
      c.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE
      let response = builder.make(grpc__reflection__v1__list_service_response__init)
      response.pointee.n_service = names.count
      response.pointee.service = builder.scalars(
        names.map { name in
          let service = builder.make(grpc__reflection__v1__service_response__init)
          service.pointee.name = builder.string(name)
          return Optional(service)
        })
      c.list_services_response = response
    case .error(let code, let message):
      c.message_response_case = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE
      let response = builder.make(grpc__reflection__v1__error_response__init)
      response.pointee.error_code = code
      response.pointee.error_message = builder.string(message)
      c.error_response = response
    case nil:
      break
    }
  }
}
