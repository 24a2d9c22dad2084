"""Train image: fine-tune on a published dataset version, export to ONNX, evaluate the exported model."""
