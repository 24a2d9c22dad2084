SELECT memory_bytes FROM memory_lessons WHERE workload = :workload AND step = :step
