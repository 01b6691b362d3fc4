extension GatewayRequest {
  /// Resumes the task that waits for this request. The lane's thread.
  func resume(_ submission: DoorLane.Submission) {
    let continuation = waiting
    waiting = nil
    continuation?.resume(returning: submission)
  }
}
