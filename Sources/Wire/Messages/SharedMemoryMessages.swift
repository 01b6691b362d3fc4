internal import CProtos
internal import Inference

/// Asks which regions of shared memory are registered.
package struct SystemSharedMemoryStatusRequest: CMessage, Hashable {
  /// Empty: every region.
  package var name: String

  package init(name: String = "") { self.name = name }

  static var initialize: (UnsafeMutablePointer<Inference__SystemSharedMemoryStatusRequest>?) -> Void {
    inference__system_shared_memory_status_request__init
  }
  init(_ c: Inference__SystemSharedMemoryStatusRequest) { name = string(c.name) }
  func fill(_ c: inout Inference__SystemSharedMemoryStatusRequest, _ builder: MessageBuilder) {
    c.name = builder.string(name)
  }
}

package struct SystemSharedMemoryStatusResponse: CMessage, Hashable {
  package struct Region: CMessage, Hashable {
    package var name: String
    /// The object's name.
    package var key: String
    /// Where the region begins in the object.
    package var offset: UInt64
    package var byteSize: UInt64

    package init(name: String, key: String, offset: UInt64, byteSize: UInt64) {
      self.name = name
      self.key = key
      self.offset = offset
      self.byteSize = byteSize
    }

    static var initialize: (UnsafeMutablePointer<Inference__SystemSharedMemoryStatusResponse__RegionStatus>?) -> Void {
      inference__system_shared_memory_status_response__region_status__init
    }
    init(_ c: Inference__SystemSharedMemoryStatusResponse__RegionStatus) {
      name = string(c.name)
      key = string(c.key)
      offset = c.offset
      byteSize = c.byte_size
    }
    func fill(_ c: inout Inference__SystemSharedMemoryStatusResponse__RegionStatus, _ builder: MessageBuilder) {
      c.name = builder.string(name)
      c.key = builder.string(key)
      c.offset = offset
      c.byte_size = byteSize
    }
  }

  /// By their names.
  package var regions: [String: Region]

  package init(regions: [String: Region]) { self.regions = regions }

  static var initialize: (UnsafeMutablePointer<Inference__SystemSharedMemoryStatusResponse>?) -> Void {
    inference__system_shared_memory_status_response__init
  }
  init(_ c: Inference__SystemSharedMemoryStatusResponse) throws(InferenceError) {
    regions = try dictionary(c.regions, c.n_regions) { entry throws(InferenceError) in
      (string(entry.key), try optional(entry.value) ?? Region(name: "", key: "", offset: 0, byteSize: 0))
    }
  }
  func fill(_ c: inout Inference__SystemSharedMemoryStatusResponse, _ builder: MessageBuilder) {
    c.n_regions = regions.count
    c.regions = builder.entries(regions, inference__system_shared_memory_status_response__regions_entry__init) {
      ($0.key, $0.value) = ($1, builder.message($2))
    }
  }
}

/// Gives a part of a POSIX shared memory object a name.
package struct SystemSharedMemoryRegisterRequest: CMessage, Hashable {
  package var name: String
  /// The object's name, as for `shm_open`.
  package var key: String
  package var offset: UInt64
  package var byteSize: UInt64

  package init(name: String, key: String, offset: UInt64 = 0, byteSize: UInt64) {
    self.name = name
    self.key = key
    self.offset = offset
    self.byteSize = byteSize
  }

  static var initialize: (UnsafeMutablePointer<Inference__SystemSharedMemoryRegisterRequest>?) -> Void {
    inference__system_shared_memory_register_request__init
  }
  init(_ c: Inference__SystemSharedMemoryRegisterRequest) {
    name = string(c.name)
    key = string(c.key)
    offset = c.offset
    byteSize = c.byte_size
  }
  func fill(_ c: inout Inference__SystemSharedMemoryRegisterRequest, _ builder: MessageBuilder) {
    c.name = builder.string(name)
    c.key = builder.string(key)
    c.offset = offset
    c.byte_size = byteSize
  }
}

package struct SystemSharedMemoryRegisterResponse: CMessage, Hashable {
  package init() {}

  static var initialize: (UnsafeMutablePointer<Inference__SystemSharedMemoryRegisterResponse>?) -> Void {
    inference__system_shared_memory_register_response__init
  }
  init(_ c: Inference__SystemSharedMemoryRegisterResponse) {}
  func fill(_ c: inout Inference__SystemSharedMemoryRegisterResponse, _ builder: MessageBuilder) {}
}

/// Has a region forgotten.
package struct SystemSharedMemoryUnregisterRequest: CMessage, Hashable {
  /// Empty: every region.
  package var name: String

  package init(name: String = "") { self.name = name }

  static var initialize: (UnsafeMutablePointer<Inference__SystemSharedMemoryUnregisterRequest>?) -> Void {
    inference__system_shared_memory_unregister_request__init
  }
  init(_ c: Inference__SystemSharedMemoryUnregisterRequest) { name = string(c.name) }
  func fill(_ c: inout Inference__SystemSharedMemoryUnregisterRequest, _ builder: MessageBuilder) {
    c.name = builder.string(name)
  }
}

package struct SystemSharedMemoryUnregisterResponse: CMessage, Hashable {
  package init() {}

  static var initialize: (UnsafeMutablePointer<Inference__SystemSharedMemoryUnregisterResponse>?) -> Void {
    inference__system_shared_memory_unregister_response__init
  }
  init(_ c: Inference__SystemSharedMemoryUnregisterResponse) {}
  func fill(_ c: inout Inference__SystemSharedMemoryUnregisterResponse, _ builder: MessageBuilder) {}
}
