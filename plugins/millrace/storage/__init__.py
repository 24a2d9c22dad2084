"""Files by URI: open, list, write, verify. Local files, S3 and HDFS through pyarrow, botocore and fsspec."""
