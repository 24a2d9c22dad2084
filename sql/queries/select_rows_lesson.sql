SELECT rows_at_once FROM rows_lessons WHERE workload = :workload AND hardware = :hardware
