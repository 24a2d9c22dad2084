"""Text classifier: BERT, mean pooling over tokens, and one dense layer for the labels' probabilities."""

from millrace.contracts.errors import BadInputError
from millrace.contracts.trainers import BertOptions
from millrace_train.trainers.shape import ModelShape
from millrace_train.untyped import Model


def build(shape: ModelShape, options: BertOptions) -> Model:
    """Build a Keras model from ``token_ids`` (int32 [rows, tokens]) and ``padding_mask`` (bool, True for real tokens).

    It averages the last hidden states where the mask is True (mean pooling: Reimers and Gurevych, 2019, section 3);
    BERT's own pooled output is neither used nor trained.
    Raises BadInputError if there is no base folder or KerasHub cannot read a BERT from it.
    """
    import keras
    import keras_hub

    if shape.base_folder is None:
        raise BadInputError(
            "there is no base model",
            where="workload.training.base_model",
            rule="bert_text_classifier starts from a pre-trained BERT",
            remedy="name a base model of the model store; `python -m millrace base-model add` brings one in",
        )
    try:
        backbone = keras_hub.models.BertBackbone.from_preset(str(shape.base_folder), load_weights=shape.pretrained)
    except (ValueError, KeyError, OSError) as error:
        raise BadInputError(
            f"KerasHub cannot read the base model: {error}",
            where=str(shape.base_folder),
            rule="config.json and model.safetensors of a Hugging Face BERT",
            remedy="bring the base model in again from a complete folder",
        ) from error
    backbone.pooled_dense.trainable = False
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
    hidden = backbone(
        {
            "token_ids": token_ids,
            "segment_ids": keras.ops.zeros_like(token_ids),
            "padding_mask": keras.ops.cast(padding_mask, "int32"),
        }
    )["sequence_output"]
    mean = keras.layers.GlobalAveragePooling1D(dtype="float32", name="mean")(hidden, mask=padding_mask)
    mean = keras.layers.Dropout(options.dropout, dtype="float32", name="dropout")(mean)
    activation = "softmax" if shape.single_label else "sigmoid"
    output = keras.layers.Dense(shape.labels, activation=activation, dtype="float32", name="probabilities")(mean)
    return keras.Model({"token_ids": token_ids, "padding_mask": padding_mask}, output)
