internal import CProtos

/// The value of a setting of the server's log.
package enum LogSettingValue: Hashable, Sendable {
  case bool(Bool)
  case uint32(UInt32)
  case string(String)
  /// A setting without a value, which the wire allows.
  case unset

  init(_ c: UnsafePointer<Inference__LogSettingsRequest__SettingValue>?) {
    self = .unset
    guard let c = c?.pointee else { return }
    switch c.parameter_choice_case {
    case INFERENCE__LOG_SETTINGS_REQUEST__SETTING_VALUE__PARAMETER_CHOICE_BOOL_PARAM: self = .bool(c.bool_param != 0)
    case INFERENCE__LOG_SETTINGS_REQUEST__SETTING_VALUE__PARAMETER_CHOICE_UINT32_PARAM: self = .uint32(c.uint32_param)
    case INFERENCE__LOG_SETTINGS_REQUEST__SETTING_VALUE__PARAMETER_CHOICE_STRING_PARAM:
      self = .string(Wire.string(c.string_param))
    default: break
    }
  }

  init(_ c: UnsafePointer<Inference__LogSettingsResponse__SettingValue>?) {
    self = .unset
    guard let c = c?.pointee else { return }
    switch c.parameter_choice_case {
    case INFERENCE__LOG_SETTINGS_RESPONSE__SETTING_VALUE__PARAMETER_CHOICE_BOOL_PARAM: self = .bool(c.bool_param != 0)
    case INFERENCE__LOG_SETTINGS_RESPONSE__SETTING_VALUE__PARAMETER_CHOICE_UINT32_PARAM: self = .uint32(c.uint32_param)
    case INFERENCE__LOG_SETTINGS_RESPONSE__SETTING_VALUE__PARAMETER_CHOICE_STRING_PARAM:
      self = .string(Wire.string(c.string_param))
    default: break
    }
  }

  func request(_ builder: MessageBuilder) -> UnsafeMutablePointer<Inference__LogSettingsRequest__SettingValue> {
    let c = builder.make(inference__log_settings_request__setting_value__init)
    switch self {
    case .bool(let value):
      c.pointee.parameter_choice_case = INFERENCE__LOG_SETTINGS_REQUEST__SETTING_VALUE__PARAMETER_CHOICE_BOOL_PARAM
      c.pointee.bool_param = value ? 1 : 0
    case .uint32(let value):
      c.pointee.parameter_choice_case = INFERENCE__LOG_SETTINGS_REQUEST__SETTING_VALUE__PARAMETER_CHOICE_UINT32_PARAM
      c.pointee.uint32_param = value
    case .string(let value):
      c.pointee.parameter_choice_case = INFERENCE__LOG_SETTINGS_REQUEST__SETTING_VALUE__PARAMETER_CHOICE_STRING_PARAM
      c.pointee.string_param = builder.string(value)
    case .unset: break
    }
    return c
  }

  func response(_ builder: MessageBuilder) -> UnsafeMutablePointer<Inference__LogSettingsResponse__SettingValue> {
    let c = builder.make(inference__log_settings_response__setting_value__init)
    switch self {
    case .bool(let value):
      c.pointee.parameter_choice_case = INFERENCE__LOG_SETTINGS_RESPONSE__SETTING_VALUE__PARAMETER_CHOICE_BOOL_PARAM
      c.pointee.bool_param = value ? 1 : 0
    case .uint32(let value):
      c.pointee.parameter_choice_case = INFERENCE__LOG_SETTINGS_RESPONSE__SETTING_VALUE__PARAMETER_CHOICE_UINT32_PARAM
      c.pointee.uint32_param = value
    case .string(let value):
      c.pointee.parameter_choice_case = INFERENCE__LOG_SETTINGS_RESPONSE__SETTING_VALUE__PARAMETER_CHOICE_STRING_PARAM
      c.pointee.string_param = builder.string(value)
    case .unset: break
    }
    return c
  }
}

/// Changes what the server logs, and asks what it logs then.
package struct LogSettingsRequest: CMessage, Hashable {
  /// Only these change.
  package var settings: [String: LogSettingValue]

  package init(settings: [String: LogSettingValue] = [:]) { self.settings = settings }

  static var initialize: (UnsafeMutablePointer<Inference__LogSettingsRequest>?) -> Void {
    inference__log_settings_request__init
  }
  init(_ c: Inference__LogSettingsRequest) {
    settings = [:]
    for entry in array(c.settings, c.n_settings) {
      settings[string(entry!.pointee.key)] = LogSettingValue(entry!.pointee.value)
    }
  }
  func fill(_ c: inout Inference__LogSettingsRequest, _ builder: MessageBuilder) {
    c.n_settings = settings.count
    c.settings = builder.entries(settings, inference__log_settings_request__settings_entry__init) {
      ($0.key, $0.value) = ($1, $2.request(builder))
    }
  }
}

package struct LogSettingsResponse: CMessage, Hashable {
  /// All that there are.
  package var settings: [String: LogSettingValue]

  package init(settings: [String: LogSettingValue]) { self.settings = settings }

  static var initialize: (UnsafeMutablePointer<Inference__LogSettingsResponse>?) -> Void {
    inference__log_settings_response__init
  }
  init(_ c: Inference__LogSettingsResponse) {
    settings = [:]
    for entry in array(c.settings, c.n_settings) {
      settings[string(entry!.pointee.key)] = LogSettingValue(entry!.pointee.value)
    }
  }
  func fill(_ c: inout Inference__LogSettingsResponse, _ builder: MessageBuilder) {
    c.n_settings = settings.count
    c.settings = builder.entries(settings, inference__log_settings_response__settings_entry__init) {
      ($0.key, $0.value) = ($1, $2.response(builder))
    }
  }
}
