/// One kind of file that the model thinks of, and how sure it is.
package struct Guess: Hashable {
  /// magika's own name, such as `swift`.
  package let label: String
  /// 0 to 1.
  package let score: Double

  /// Reads an element of a classification: `value:index:label`. Nil if it is none.
  package init?(_ text: String) {
    let parts = text.split(separator: ":", maxSplits: 2)
    guard parts.count == 3, let score = Double(parts[0]) else { return nil }
    label = String(parts[2])
    self.score = score
  }

  /// Such as `Swift source (99.7 %)`.
  package var text: String {
    let permille = (score * 1000).rounded()
    return "\(Guess.words[label] ?? label) (\(permille / 10) %)"
  }

  /// The labels that a developer meets, in words; the others stand for themselves.
  private static let words = [
    "asm": "assembly source", "batch": "DOS batch file", "bmp": "BMP image", "c": "C source", "cmake": "CMake file",
    "cpp": "C++ source", "cs": "C# source", "css": "CSS style sheet", "csv": "CSV table", "dart": "Dart source",
    "deb": "Debian package", "diff": "patch", "dockerfile": "Dockerfile", "docx": "Word document",
    "elf": "ELF program or library", "flac": "FLAC audio", "gif": "GIF image", "go": "Go source",
    "gzip": "gzip archive", "haskell": "Haskell source", "html": "HTML page", "ini": "INI file",
    "ipynb": "Jupyter notebook", "jar": "Java archive", "java": "Java source", "javascript": "JavaScript source",
    "jpeg": "JPEG image", "json": "JSON", "jsonl": "JSON lines", "kotlin": "Kotlin source", "latex": "LaTeX source",
    "lua": "Lua source", "macho": "Mach-O program or library", "makefile": "Makefile", "markdown": "Markdown",
    "mp3": "MP3 audio", "mp4": "MP4 video", "npy": "NumPy array", "npz": "NumPy arrays",
    "objectivec": "Objective-C source",
    "ogg": "Ogg audio", "onnx": "ONNX model", "parquet": "Parquet table", "pdf": "PDF document",
    "pebin": "Windows program or library", "pem": "PEM certificate or key", "perl": "Perl source", "php": "PHP source",
    "png": "PNG image", "postscript": "PostScript document", "pptx": "PowerPoint presentation",
    "proto": "Protocol Buffers schema", "python": "Python source", "pythonbytecode": "Python bytecode",
    "pytorch": "PyTorch model", "randombytes": "random bytes", "randomtxt": "random text", "rpm": "RPM package",
    "rst": "reStructuredText", "ruby": "Ruby source", "rust": "Rust source", "scala": "Scala source",
    "shell": "shell script", "sql": "SQL", "sqlite": "SQLite database", "svg": "SVG image", "swift": "Swift source",
    "tar": "tar archive", "textproto": "Protocol Buffers text", "tiff": "TIFF image", "toml": "TOML",
    "tsv": "TSV table",
    "ttf": "TrueType font", "txt": "plain text", "typescript": "TypeScript source", "wasm": "WebAssembly",
    "wav": "WAV audio",
    "webm": "WebM video", "webp": "WebP image", "xlsx": "Excel workbook", "xml": "XML", "xz": "xz archive",
    "yaml": "YAML", "zig": "Zig source", "zip": "ZIP archive",
  ]
}
