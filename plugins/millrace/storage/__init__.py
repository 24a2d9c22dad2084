"""Files by URI: open, list, put, verify. Local, S3 and HDFS through pyarrow and fsspec."""
