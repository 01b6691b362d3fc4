import Backends
import Glibc
import Inference
import ONNXBackend
import Synchronization
import Testing

struct LibraryTests {
  @Test func `the library says which it is`() throws {
    let library = try backend.openLibrary()
    #expect(library.version.hasPrefix("1."))
    #expect((17...30).contains(library.apiVersion))
    #expect(library.providers.contains("CPUExecutionProvider"))
    #expect(library.path.contains("libonnxruntime.so"))
  }

  // In processes of their own, because a process opens one library for good.

  @Test func `a library that is not there is an error with every place tried and the remedy`() async {
    await #expect(processExitsWith: .success) {
      var options = ONNXOptions()
      options.libraryPath = "/nowhere/libonnxruntime.so.1"
      let failure = #expect(throws: InferenceError.self) {
        _ = try ONNXBackend(options: options).load(path: "/x", configuration: ModelConfiguration(name: "x"))
      }
      #expect(failure?.code == .unavailable)
      #expect(failure?.message.contains("/nowhere/libonnxruntime.so.1 (") == true)
      #expect(failure?.message.contains("No such file") == true)
      #expect(failure?.message.contains("Tools/fetch-onnxruntime") == true)
      #expect(failure?.message.contains("APUS_ONNXRUNTIME") == true)
    }
  }

  @Test func `a reason that several places share is said once`() {
    var refusals = LibraryRefusals()
    refusals.add("/a/x.so", reason: "/a/x.so: cannot open shared object file")
    refusals.add("x.so", reason: "x.so: cannot open shared object file")
    refusals.add("y.so", reason: "file too short")
    #expect(refusals.text == "/a/x.so, x.so (cannot open shared object file), y.so (file too short)")
  }

  @Test func `another library than ONNX Runtime is refused`() async {
    await #expect(processExitsWith: .success) {
      var options = ONNXOptions()
      options.libraryPath = "libm.so.6"
      let failure = #expect(throws: InferenceError.self) { _ = try ONNXBackend(options: options).openLibrary() }
      #expect(failure?.message.contains("OrtGetApiBase is missing") == true)
    }
  }

  @Test func `the environment names the library where no option does, and is the only place tried`() async {
    await #expect(processExitsWith: .success) {
      setenv("APUS_ONNXRUNTIME", "/nowhere", 1)
      let failure = #expect(throws: InferenceError.self) { _ = try ONNXBackend().openLibrary() }
      #expect(failure?.message.contains("tried APUS_ONNXRUNTIME: /nowhere (") == true)
      #expect(failure?.message.contains("loader") == false)
    }
  }

  @Test func `without a word the program's folder and the loader are tried`() async {
    await #expect(processExitsWith: .success) {
      unsetenv("APUS_ONNXRUNTIME")
      // A machine may have the library where the loader looks; then there is nothing to complain of.
      do throws(InferenceError) {
        _ = try ONNXBackend().openLibrary()
      } catch {
        #expect(error.message.contains("/libonnxruntime.so.1, "))
        #expect(error.message.contains(", libonnxruntime.so.1, libonnxruntime.so ("))
      }
    }
  }

  @Test func `a second library is refused while one is in use`() throws {
    _ = try backend.openLibrary()
    var options = ONNXOptions()
    options.libraryPath = "/elsewhere/libonnxruntime.so.1"
    let failure = #expect(throws: InferenceError.self) { _ = try ONNXBackend(options: options).openLibrary() }
    #expect(failure?.code == .failedPrecondition)
    #expect(failure?.message.contains("/elsewhere") == true)
  }

  /// A thread that can't be bound to a core that does not exist complains, from that thread. It has ended, and so has
  /// logged, when the model is gone.
  @Test func `what the library's own threads log arrives`() throws {
    let loader = pthread_self()
    var model: (any LoadedModel)? = try load("simple") {
      $0.parameters = ["intra_op_thread_count": "2", "session.intra_op_thread_affinities": "1000"]
    }
    _ = model?.signature
    model = nil
    let lines = logLines.withLock { $0.filter { $0.message.contains("affinity") } }
    #expect(lines.contains { $0.thread != loader && $0.severity == .error })
  }

  @Test func `a run that fails does not write to the server's log`() throws {
    let instance = try load("fails").makeInstance(index: 0)
    _ = try? instance.run([Contents(.int64, [1], of: [Int64(77)])])
    #expect(logLines.withLock { $0.allSatisfy { !$0.message.contains("idx=77") } })
  }
}
