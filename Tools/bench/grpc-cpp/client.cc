// The yardstick for clients: as many ModelInfer calls in flight as are asked for, on gRPC C++'s asynchronous API.
//
//   client ADDRESS MODEL INPUT BYTES CALLS_IN_FLIGHT CONNECTIONS CALLS
//
// One thread with one completion queue. A tenth of the calls warm up. Prints one line of JSON: calls, seconds, CPU
// seconds of this process, and latency in microseconds. Messages are made as an application does: the request's tensor
// is set once and sent every time, and each answer is parsed and looked at.

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "inference.grpc.pb.h"

namespace {

using Clock = std::chrono::steady_clock;
using Stub = inference::GRPCInferenceService::Stub;

// One call at a time; its address is its tag in the queue.
struct Call {
  std::unique_ptr<grpc::ClientContext> context;
  inference::ModelInferResponse response;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<inference::ModelInferResponse>> reader;
  Stub* stub;
  Clock::time_point start;

  void Start(const inference::ModelInferRequest& request, grpc::CompletionQueue& queue) {
    context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    response.Clear();
    start = Clock::now();
    reader = stub->AsyncModelInfer(context.get(), request, &queue);
    reader->Finish(&response, &status, this);
  }
};

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

// Makes so many calls and returns their latencies in microseconds.
std::vector<double> Run(std::vector<Call>& calls, const inference::ModelInferRequest& request, long count) {
  grpc::CompletionQueue queue;
  std::vector<double> latencies;
  latencies.reserve(count);
  long started = 0;
  for (auto& call : calls) {
    if (started == count) break;
    call.Start(request, queue);
    ++started;
  }
  const auto expected = request.raw_input_contents(0).size();
  void* tag;
  bool ok;
  while (static_cast<long>(latencies.size()) < count && queue.Next(&tag, &ok)) {
    auto& call = *static_cast<Call*>(tag);
    latencies.push_back(std::chrono::duration<double, std::micro>(Clock::now() - call.start).count());
    if (!call.status.ok() || call.response.raw_output_contents_size() != 1 ||
        call.response.raw_output_contents(0).size() != expected) {
      std::fprintf(stderr, "a call failed: %s\n", call.status.error_message().c_str());
      std::exit(1);
    }
    if (started < count) {
      call.Start(request, queue);
      ++started;
    }
  }
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) continue;
  return latencies;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 8) {
    std::fprintf(stderr, "usage: %s ADDRESS MODEL INPUT BYTES CALLS_IN_FLIGHT CONNECTIONS CALLS\n", arguments[0]);
    return 64;
  }
  const long bytes = std::atol(arguments[4]);
  const int in_flight = std::atoi(arguments[5]);
  const int connections = std::atoi(arguments[6]);
  const long number = std::atol(arguments[7]);

  inference::ModelInferRequest request;
  request.set_model_name(arguments[2]);
  auto& input = *request.add_inputs();
  input.set_name(arguments[3]);
  input.set_datatype("UINT8");
  input.add_shape(1);
  input.add_shape(bytes);
  request.add_raw_input_contents(std::string(bytes, 'x'));

  std::vector<std::unique_ptr<Stub>> stubs;
  for (int index = 0; index < connections; ++index) {
    grpc::ChannelArguments settings;
    settings.SetMaxReceiveMessageSize(-1);
    settings.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // or all channels share one connection
    stubs.push_back(inference::GRPCInferenceService::NewStub(
        grpc::CreateCustomChannel(arguments[1], grpc::InsecureChannelCredentials(), settings)));
  }
  std::vector<Call> calls(in_flight);
  for (int index = 0; index < in_flight; ++index) calls[index].stub = stubs[index % connections].get();

  Run(calls, request, std::max(number / 10, 1L));
  const double cpu = CpuSeconds();
  const auto start = Clock::now();
  auto latencies = Run(calls, request, number);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const double used = CpuSeconds() - cpu;
  std::sort(latencies.begin(), latencies.end());
  std::printf("{\"calls\": %ld, \"seconds\": %f, \"cpu_seconds\": %f, \"p50_us\": %.0f, \"p99_us\": %.0f}\n", number,
              seconds, used, latencies[latencies.size() / 2], latencies[latencies.size() * 99 / 100]);
}
