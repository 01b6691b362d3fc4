/// One change by path: the generic update arguments of the `az` command line.
package enum DocumentEdit: Hashable, Sendable {
  /// `--set a.b=v`
  case set(DocumentPath, Document)
  /// `--add list v`: puts elements at a list's end, and makes the list where there is none.
  case add(DocumentPath, [Document])
  /// `--remove a.b`, `--remove list 0`
  case remove(DocumentPath)

  /// Reads the value of `--set`: `path=value`. The value is JSON if it can be read as JSON, else a string.
  ///
  /// - Parameter forceString: `--force-string`: the value is a string whatever it looks like.
  package init(set argument: String, forceString: Bool = false) throws(DocumentError) {
    guard let equals = Self.indexOfEquals(argument) else {
      throw DocumentError("--set \(argument): expected path=value")
    }
    let path = try DocumentPath(parsing: String(argument[..<equals]), of: "--set")
    self = .set(path, Self.value(String(argument[argument.index(after: equals)...]), forceString: forceString))
  }

  /// Reads the values of `--add`: a path, then `key=value` pairs that make up one object, or values that are elements.
  package init(add arguments: [String], forceString: Bool = false) throws(DocumentError) {
    guard let first = arguments.first, arguments.count > 1 else {
      throw DocumentError("--add \(arguments.joined(separator: " ")): expected a path and key=value, or a value")
    }
    var elements: [Document] = []
    var object = Document.Object()
    for argument in arguments.dropFirst() {
      // JSON may have an equals sign in it.
      if let equals = argument.firstIndex(of: "="), argument.first != "{", argument.first != "[", argument.first != "\""
      {
        object[String(argument[..<equals])] = Self.value(
          String(argument[argument.index(after: equals)...]), forceString: forceString)
      } else {
        if !object.isEmpty { elements.append(.object(object)) }
        object = Document.Object()
        elements.append(Self.value(argument, forceString: forceString))
      }
    }
    if !object.isEmpty { elements.append(.object(object)) }
    self = .add(try DocumentPath(parsing: first, of: "--add"), elements)
  }

  /// Reads the values of `--remove`: a path, and the index of an element if the path is a list.
  package init(remove arguments: [String]) throws(DocumentError) {
    guard let first = arguments.first, arguments.count <= 2 else {
      throw DocumentError(
        "--remove \(arguments.joined(separator: " ")): expected a path, or a list's path and an index")
    }
    let path = try DocumentPath(parsing: first, of: "--remove")
    guard arguments.count == 2 else {
      self = .remove(path)
      return
    }
    guard let index = Int(arguments[1]), index >= 0 else {
      throw DocumentError("--remove \(first): expected an index of 0 or more, got '\(arguments[1])'")
    }
    self = .remove(path.appending(index))
  }

  private static func value(_ text: String, forceString: Bool) -> Document {
    guard !forceString else { return .string(text) }
    switch text {
    // Python's words, which `az` takes too.
    case "True": return true
    case "False": return false
    case "None": return .null
    default: break
    }
    do throws(DocumentError) { return try Document(json: text) } catch { return .string(text) }
  }

  /// The first equals sign that is outside of brackets, for a path such as `a['b=c'].d`.
  private static func indexOfEquals(_ text: String) -> String.Index? {
    var depth = 0
    for index in text.indices {
      switch text[index] {
      case "[": depth += 1
      case "]": depth -= 1
      case "=" where depth == 0: return index
      default: break
      }
    }
    return nil
  }
}

extension DocumentPath {
  /// Most steps of a path that a person writes.
  private static let maxSteps = 64

  /// Reads `a.b[0].c`; `a['nvidia.com/gpu']` is a key with dots in it.
  package init(parsing text: String, of option: String) throws(DocumentError) {
    func fault(_ problem: String) -> DocumentError { DocumentError("\(option) \(text): \(problem)") }
    var steps: [Step] = []
    var rest = text[...]
    while !rest.isEmpty {
      guard steps.count < Self.maxSteps else { throw fault("the path has more than \(Self.maxSteps) parts") }
      if rest.first == "[" {
        guard let close = rest.firstIndex(of: "]") else { throw fault("a bracket is not closed") }
        let inside = rest[rest.index(after: rest.startIndex)..<close]
        if let index = Int(inside), index >= 0 {
          steps.append(.index(index))
        } else if inside.count > 2, let quote = inside.first, quote == "'" || quote == "\"", inside.last == quote {
          steps.append(.key(String(inside.dropFirst().dropLast())))
        } else {
          throw fault("expected an index of 0 or more or a key in quotes within brackets, got '\(inside)'")
        }
        rest = rest[rest.index(after: close)...]
        if rest.first == "." { rest = rest.dropFirst() }
      } else {
        let end = rest.firstIndex { $0 == "." || $0 == "[" } ?? rest.endIndex
        guard end > rest.startIndex else { throw fault("a part of the path is empty") }
        steps.append(.key(String(rest[..<end])))
        rest = rest[end...]
        if rest.first == "." {
          rest = rest.dropFirst()
          guard !rest.isEmpty else { throw fault("a part of the path is empty") }
        }
      }
    }
    guard !steps.isEmpty else { throw fault("expected a path") }
    self.init(steps)
  }
}
