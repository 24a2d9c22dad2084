-- What sizing learned from runs that ended: a row a version, for a kind of hardware and a family of models.

CREATE TABLE calibrations (
    hardware TEXT NOT NULL,
    family TEXT NOT NULL,
    version BIGINT NOT NULL,
    runs BIGINT NOT NULL,
    calibration TEXT NOT NULL,
    drift TEXT,
    learned_at TEXT NOT NULL,
    PRIMARY KEY (hardware, family, version)
);
