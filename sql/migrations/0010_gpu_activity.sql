-- Means over a run's GPUs and their time, from 0 to 1: how busy the tensor pipes and the memory were. Not "GPU util", which
-- says that some kernel ran.

ALTER TABLE metered_runs ADD COLUMN tensor_active DOUBLE PRECISION;

ALTER TABLE metered_runs ADD COLUMN gpu_memory_active DOUBLE PRECISION;
