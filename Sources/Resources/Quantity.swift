/// An amount as Kubernetes writes it: `0.5`, `500m`, `2Gi`.
package struct Quantity: Hashable, Sendable {
  /// As it was written.
  package var text: String
  /// In thousandths of the unit: of a core, of a byte, of a GPU.
  package var thousandths: Int

  /// Whole cores, bytes or GPUs, rounded up.
  package var roundedUp: Int { thousandths / 1000 + (thousandths % 1000 > 0 ? 1 : 0) }
}
