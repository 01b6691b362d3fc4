internal import CProtobufC

/// The fields that this server acts on; a message's path stands for all that is in it.
private let supportedFields: Set<String> = [
  "name", "platform", "backend", "version_policy", "max_batch_size", "default_model_filename", "parameters",
  "input.name", "input.data_type", "input.dims",
  "output.name", "output.data_type", "output.dims", "output.label_filename",
  "instance_group.name", "instance_group.kind", "instance_group.count", "instance_group.gpus",
  "dynamic_batching.preferred_batch_size", "dynamic_batching.max_queue_delay_microseconds",
  "dynamic_batching.preserve_ordering", "dynamic_batching.default_queue_policy",
  "dynamic_batching.priority_levels", "dynamic_batching.default_priority_level", "dynamic_batching.priority_queue_policy",
  "optimization.graph", "optimization.execution_accelerators", "response_cache.enable", "model_warmup",
]

extension ModelConfig {
  /// Paths of the fields that are set, to something other than their default, without being supported; each once.
  func unsupportedFields() -> [String] {
    var found: [String] = []
    bytes.withUnsafeBytes { collectUnsupported($0, ModelConfig.schema, path: "", into: &found) }
    return found
  }
}

private func collectUnsupported(
  _ message: UnsafeRawBufferPointer, _ schema: MessageSchema, path: String, into found: inout [String]
) {
  var reader = WireReader(message)
  while let value = nextValue(&reader, schema) {
    let name = value.field?.name ?? "field \(value.number)"
    let fieldPath = path.isEmpty ? name : "\(path).\(name)"
    if fieldPath == "instance_group.kind", value.varint == kindModel {
      note("instance_group.kind: KIND_MODEL", in: &found)
    } else if supportedFields.contains(fieldPath) {
      continue
    } else if let nested = value.field?.message, supportedFields.contains(where: { $0.hasPrefix("\(fieldPath).") }) {
      collectUnsupported(value.payload, nested, path: fieldPath, into: &found)
    } else if value.says(something: value.field) {
      note(fieldPath, in: &found)
    }
  }
}

/// `ModelInstanceGroup.KIND_MODEL`: the model itself picks the device.
private let kindModel: UInt64 = 3

private func note(_ path: String, in found: inout [String]) {
  if !found.contains(path) { found.append(path) }
}

/// One field of a message.
private struct FieldValue {
  var number: UInt32
  /// Nil if the schema has no such field.
  var field: FieldSchema?
  /// The value, if it is one.
  var varint: UInt64?
  var payload: UnsafeRawBufferPointer

  /// Whether being set means more than not being set. False for defaults, and for messages with nothing but defaults,
  /// unless there are several to choose from: an empty `sequence_batching` is a choice.
  func says(something field: FieldSchema?) -> Bool {
    guard let field, !field.isRepeated, field.oneof == nil else { return true }
    if let varint { return varint != 0 }
    guard let schema = field.message else { return payload.contains { $0 != 0 } }
    var reader = WireReader(payload)
    while let inner = nextValue(&reader, schema) {
      if inner.says(something: inner.field) { return true }
    }
    return false
  }
}

private func nextValue(_ reader: inout WireReader, _ schema: MessageSchema) -> FieldValue? {
  guard let tag = reader.tag() else { return nil }
  var value = FieldValue(
    number: tag.number, field: schema.field(numbered: tag.number), varint: nil,
    payload: UnsafeRawBufferPointer(start: nil, count: 0))
  switch tag.wireType {
  case WireType.varint:
    guard let number = reader.varint() else { return nil }
    value.varint = number
  case WireType.lengthDelimited:
    guard let payload = reader.lengthDelimited() else { return nil }
    value.payload = payload
  default:
    let start = reader.at
    guard reader.skipValue(tag.wireType) else { return nil }
    value.payload = UnsafeRawBufferPointer(start: start, count: reader.at - start)
  }
  return value
}
