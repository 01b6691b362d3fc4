// The yardstick: the inference protocol on gRPC C++'s asynchronous API, with a model that gives back what it gets.
//
//   server PORT [THREADS]
//
// Each thread (one, unless said) has a completion queue of its own. Tensor contents are swapped from the request into
// the response, so that what is measured is gRPC and protobuf alone. Messages may be of any size; all else is gRPC's
// default.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "inference.grpc.pb.h"

namespace {

using Service = inference::GRPCInferenceService::AsyncService;

// Calls that wait for a request, per method and queue. With fewer, requests that arrive together wait inside gRPC.
constexpr int kWaitingCalls = 64;

void Answer(const inference::ServerLiveRequest&, inference::ServerLiveResponse& response) { response.set_live(true); }

void Answer(const inference::ServerReadyRequest&, inference::ServerReadyResponse& response) {
  response.set_ready(true);
}

void Answer(inference::ModelInferRequest& request, inference::ModelInferResponse& response) {
  response.set_allocated_model_name(request.release_model_name());
  response.set_model_version("1");
  response.set_allocated_id(request.release_id());
  for (int index = 0; index < request.inputs_size(); ++index) {
    auto& input = *request.mutable_inputs(index);
    auto& output = *response.add_outputs();
    output.set_name("OUTPUT" + std::to_string(index));
    output.set_allocated_datatype(input.release_datatype());
    output.mutable_shape()->Swap(input.mutable_shape());
  }
  response.mutable_raw_output_contents()->Swap(request.mutable_raw_input_contents());
}

// One unary call, from waiting for its request to the end of its answer. Its address is its tag in the queue.
class Call {
 public:
  virtual ~Call() = default;
  // Goes on after an event. `ok` is false when there will be no request, or the answer could not be sent.
  virtual void Proceed(bool ok) = 0;
};

template <class Request, class Response>
class UnaryCall final : public Call {
 public:
  using Writer = grpc::ServerAsyncResponseWriter<Response>;
  using Accept = void (Service::*)(grpc::ServerContext*, Request*, Writer*, grpc::CompletionQueue*,
                                   grpc::ServerCompletionQueue*, void*);

  UnaryCall(Service& service, grpc::ServerCompletionQueue& queue, Accept accept)
      : service_(service), queue_(queue), accept_(accept), writer_(&context_) {
    (service_.*accept_)(&context_, &request_, &writer_, &queue_, &queue_, static_cast<Call*>(this));
  }

  void Proceed(bool ok) override {
    if (!ok || answered_) {
      delete this;
      return;
    }
    new UnaryCall(service_, queue_, accept_);
    answered_ = true;
    Response response;
    Answer(request_, response);
    writer_.Finish(response, grpc::Status::OK, static_cast<Call*>(this));
  }

 private:
  Service& service_;
  grpc::ServerCompletionQueue& queue_;
  Accept accept_;
  grpc::ServerContext context_;
  Request request_;
  Writer writer_;
  bool answered_ = false;
};

template <class Request, class Response>
void AwaitCalls(Service& service, grpc::ServerCompletionQueue& queue,
                typename UnaryCall<Request, Response>::Accept accept) {
  for (int index = 0; index < kWaitingCalls; ++index) {
    new UnaryCall<Request, Response>(service, queue, accept);
  }
}

void Serve(Service& service, grpc::ServerCompletionQueue& queue) {
  using namespace inference;
  AwaitCalls<ServerLiveRequest, ServerLiveResponse>(service, queue, &Service::RequestServerLive);
  AwaitCalls<ServerReadyRequest, ServerReadyResponse>(service, queue, &Service::RequestServerReady);
  AwaitCalls<ModelInferRequest, ModelInferResponse>(service, queue, &Service::RequestModelInfer);
  void* tag;
  bool ok;
  while (queue.Next(&tag, &ok)) static_cast<Call*>(tag)->Proceed(ok);
}

}  // namespace

int main(int count, char** arguments) {
  const int threads = count > 2 ? std::atoi(arguments[2]) : 1;
  if (count < 2 || count > 3 || threads < 1) {
    std::fprintf(stderr, "usage: %s PORT [THREADS]\n", arguments[0]);
    return 64;
  }

  Service service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(std::string("127.0.0.1:") + arguments[1], grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  builder.SetMaxReceiveMessageSize(-1);
  builder.SetMaxSendMessageSize(-1);
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> queues;
  for (int index = 0; index < threads; ++index) queues.push_back(builder.AddCompletionQueue());
  const auto server = builder.BuildAndStart();
  if (!server || port == 0) {
    std::fprintf(stderr, "port %s cannot be listened on\n", arguments[1]);
    return 71;
  }

  // It keeps nothing, so SIGTERM may end it where it stands: the default action.
  std::vector<std::thread> others;
  for (int index = 1; index < threads; ++index) {
    others.emplace_back([&service, &queue = *queues[index]] { Serve(service, queue); });
  }
  Serve(service, *queues[0]);
}
