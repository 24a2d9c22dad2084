"""The train image: fine-tune on a published dataset version, export to ONNX, judge the exported model."""
