"""MLServer's identity: gives each tensor back, as the gRPC C++ server does."""

from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class Identity(MLModel):
    async def load(self):
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        outputs = [
            ResponseOutput(
                name=one.name.replace("INPUT", "OUTPUT"), shape=one.shape, datatype=one.datatype, data=one.data,
                parameters=one.parameters)
            for one in payload.inputs]
        return InferenceResponse(id=payload.id, model_name=self.name, outputs=outputs)
