"""The two formulas of the article that Millrace started from: a first estimate in capacity-days and bytes.

Its example has 4 nodes of capacity 4, 4 days of training and 1 day of inference. It prints 4·4·(4·2 + 4·2) = 128 and
reads that as "128 nodes". Both are wrong: that product is 256, and its own formula gives 4·4·(4 + 1) = 80, which are
capacity-days (node capacity times days) on the 4 nodes of the example, not a number of nodes.
"""


def compute_capacity_days(nodes: float, capacity_per_node: float, training_days: float, inference_days: float) -> float:
    """Return R_compute = N·C·T_train + N·C·T_inference, in units of node capacity times days.

    >>> compute_capacity_days(nodes=4, capacity_per_node=4, training_days=4, inference_days=1)
    80
    """
    return nodes * capacity_per_node * training_days + nodes * capacity_per_node * inference_days


def storage_bytes(nodes: float, factor: float, volume_bytes: float) -> float:
    """Return R_storage = S·S_i·V: storage nodes, their replication or capacity factor, and the volume in bytes.

    The example's 2 nodes with factor 1 and 2 GB:

    >>> storage_bytes(nodes=2, factor=1, volume_bytes=2_000_000_000)
    4000000000
    """
    return nodes * factor * volume_bytes
