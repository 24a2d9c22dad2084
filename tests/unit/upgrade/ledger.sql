BEGIN TRANSACTION;
CREATE TABLE budget_runs (
    budget TEXT NOT NULL,
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    predicted DOUBLE PRECISION NOT NULL,
    approved_by TEXT,
    changed_at TEXT NOT NULL,
    PRIMARY KEY (budget, dag_id, run_id, repeat),
    FOREIGN KEY (budget) REFERENCES budgets (name),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);
CREATE TABLE budgets (
    name TEXT NOT NULL PRIMARY KEY,
    dag_id TEXT NOT NULL,
    amount DOUBLE PRECISION NOT NULL,
    unit TEXT NOT NULL,
    predicted DOUBLE PRECISION NOT NULL,
    per_joule DOUBLE PRECISION NOT NULL,
    per_second DOUBLE PRECISION NOT NULL,
    lifted_by TEXT,
    created_at TEXT NOT NULL,
    revision BIGINT NOT NULL
);
INSERT INTO "budgets" VALUES('machine_faults-13bc7fe1','machine_faults',1.0e-06,'kWh',1.1988832974336481661e-04,2.77777777777777759322e-07,0.0,NULL,'2026-12-01T03:31:36.072795+00:00',1);
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
CREATE TABLE commit_locks (
    dataset_uri TEXT NOT NULL PRIMARY KEY,
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    taken_at TEXT NOT NULL,
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);
CREATE TABLE dataset_versions (
    workload TEXT NOT NULL,
    version BIGINT NOT NULL,
    uri TEXT NOT NULL,
    docs_uri TEXT NOT NULL,
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    published_at TEXT NOT NULL,
    PRIMARY KEY (workload, version),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);
INSERT INTO "dataset_versions" VALUES('machine_faults',1,'file://@HOME@/store/datasets/machine_faults','file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-29-38-753094-00-00-c41e97ee-5cb6e993/validate/try-1/out/docs/index.html','machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'2026-12-01T03:29:58.024003+00:00');
INSERT INTO "dataset_versions" VALUES('machine_faults',2,'file://@HOME@/store/datasets/machine_faults','file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-30-23-246882-00-00-1920a4cc-d26b2068/validate/try-1/out/docs/index.html','machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'2026-12-01T03:30:29.087982+00:00');
CREATE TABLE day_figures (
    day TEXT NOT NULL,
    dag_id TEXT NOT NULL,
    workload TEXT NOT NULL,
    runs BIGINT NOT NULL,
    unmeasured BIGINT NOT NULL,
    joules DOUBLE PRECISION,
    estimated_joules DOUBLE PRECISION,
    seconds DOUBLE PRECISION,
    cost DOUBLE PRECISION,
    currency TEXT,
    PRIMARY KEY (day, dag_id)
);
INSERT INTO "day_figures" VALUES('2026-12-01','machine_faults','machine_faults',9,0,2.0627608836333982368e+02,2.0627608836333982368e+02,5.96341137590134167095e+01,NULL,NULL);
CREATE TABLE evaluations (
    workload TEXT NOT NULL,
    version TEXT NOT NULL,
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('candidate', 'live')),
    row_count BIGINT NOT NULL,
    micro_f1 DOUBLE PRECISION NOT NULL,
    macro_f1 DOUBLE PRECISION NOT NULL,
    calibration_error DOUBLE PRECISION NOT NULL,
    p50_latency_seconds DOUBLE PRECISION NOT NULL,
    p99_latency_seconds DOUBLE PRECISION NOT NULL,
    joules_per_request DOUBLE PRECISION,
    energy_method TEXT,
    peak_memory_bytes BIGINT NOT NULL,
    quality TEXT NOT NULL,
    evaluated_at TEXT NOT NULL,
    PRIMARY KEY (workload, version, dag_id, run_id, repeat),
    FOREIGN KEY (workload, version) REFERENCES models (workload, version),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);
INSERT INTO "evaluations" VALUES('machine_faults','v-2b429439678b','machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'candidate',197,9.69543147208121847135e-01,9.69022013334842280407e-01,2.80208460570591962046e-02,3.09789993480080738663e-05,9.31288711581145791599e-05,5.82473239781393191524e-05,'estimated',116457472,'{"model":{"workload":"machine_faults","version":"v-2b429439678b","uri":"file://@HOME@/store/models/machine_faults/v-2b429439678b","manifest_sha256":"2b429439678b40c1836b30de029c34a8c5caab479b48d0538b4a11e9e8d5ed0d"},"rows":197,"micro_f1":0.9695431472081218,"macro_f1":0.9690220133348423,"calibration_error":0.028020846057059196,"labels":[{"label":"well","support":68,"precision":0.9855072463768116,"recall":1.0,"f1":0.9927007299270073},{"label":"worn","support":65,"precision":0.9682539682539683,"recall":0.9384615384615385,"f1":0.953125},{"label":"broken","support":64,"precision":0.9538461538461539,"recall":0.96875,"f1":0.9612403100775194}],"serving":{"requests":200,"p50_latency_seconds":0.000030978999348008074,"p99_latency_seconds":0.00009312887115811458,"joules_per_request":0.00005824732397813932,"energy_method":"estimated","peak_memory_bytes":116457472}}','2026-12-01T03:30:16.403043+00:00');
INSERT INTO "evaluations" VALUES('machine_faults','v-8567daefbb65','machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'candidate',346,9.82658959537572207487e-01,9.82560710182120433664e-01,1.71005398551852712263e-02,3.02150001516565680503e-05,1.57234981161301855777e-04,2.25628898215916835019e-04,'estimated',116383744,'{"model":{"workload":"machine_faults","version":"v-8567daefbb65","uri":"file://@HOME@/store/models/machine_faults/v-8567daefbb65","manifest_sha256":"8567daefbb65b5de7e21a6b8180c6acfae3aead91315ef0913d93ca768c6df27"},"rows":346,"micro_f1":0.9826589595375722,"macro_f1":0.9825607101821204,"calibration_error":0.01710053985518527,"labels":[{"label":"well","support":117,"precision":0.9915254237288136,"recall":1.0,"f1":0.9957446808510638},{"label":"worn","support":117,"precision":0.9743589743589743,"recall":0.9743589743589743,"f1":0.9743589743589743},{"label":"broken","support":112,"precision":0.9819819819819819,"recall":0.9732142857142857,"f1":0.9775784753363229}],"serving":{"requests":200,"p50_latency_seconds":0.000030215000151656568,"p99_latency_seconds":0.00015723498116130186,"joules_per_request":0.00022562889821591684,"energy_method":"estimated","peak_memory_bytes":116383744}}','2026-12-01T03:30:42.843425+00:00');
INSERT INTO "evaluations" VALUES('machine_faults','v-2b429439678b','machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'live',346,0.976878612716763,9.76708355916708459432e-01,3.714218029397071269e-02,3.05499997921288e-05,0.000111863806778274,1.96086144596745864943e-04,'estimated',116367360,'{"model":{"workload":"machine_faults","version":"v-2b429439678b","uri":"file://@HOME@/store/models/machine_faults/v-2b429439678b","manifest_sha256":"2b429439678b40c1836b30de029c34a8c5caab479b48d0538b4a11e9e8d5ed0d"},"rows":346,"micro_f1":0.976878612716763,"macro_f1":0.9767083559167085,"calibration_error":0.03714218029397071,"labels":[{"label":"well","support":117,"precision":0.9915254237288136,"recall":1.0,"f1":0.9957446808510638},{"label":"worn","support":117,"precision":0.9823008849557522,"recall":0.9487179487179487,"f1":0.9652173913043478},{"label":"broken","support":112,"precision":0.9565217391304348,"recall":0.9821428571428571,"f1":0.9691629955947136}],"serving":{"requests":200,"p50_latency_seconds":0.0000305499997921288,"p99_latency_seconds":0.000111863806778274,"joules_per_request":0.00019608614459674586,"energy_method":"estimated","peak_memory_bytes":116367360}}','2026-12-01T03:30:42.843425+00:00');
CREATE TABLE memory_lessons (
    workload TEXT NOT NULL,
    step TEXT NOT NULL,
    memory_bytes BIGINT NOT NULL,
    learned_at TEXT NOT NULL,
    PRIMARY KEY (workload, step)
);
CREATE TABLE metered_runs (
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    joules DOUBLE PRECISION,
    coverage DOUBLE PRECISION NOT NULL,
    meter TEXT,
    reason TEXT,
    measured_at TEXT NOT NULL, tensor_active DOUBLE PRECISION, gpu_memory_active DOUBLE PRECISION,
    PRIMARY KEY (dag_id, run_id, repeat),
    CHECK ((joules IS NULL) = (reason IS NOT NULL)),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);
CREATE TABLE migrations (
    name TEXT NOT NULL PRIMARY KEY,
    sha256 TEXT NOT NULL,
    applied_at TEXT NOT NULL
);
INSERT INTO "migrations" VALUES('0001_ledger','b5889484f61398acff56d0fed85db57ac6cb893e7638b194364c93153c95a725','2026-12-01T03:28:27.989064+00:00');
INSERT INTO "migrations" VALUES('0002_run_summary','419824dabccbd5aa4cca9e67d17f1bdb21f42b51c39fea556721de35cfd83680','2026-12-01T03:28:27.998296+00:00');
INSERT INTO "migrations" VALUES('0003_memory_lessons','a494ff32f4de20c895dcc5cd094f5ff42346cb5428d11c49045b7bb5298755cb','2026-12-01T03:28:27.998928+00:00');
INSERT INTO "migrations" VALUES('0004_rows_lessons','ddfddbd649b4078864661df05213b76238aed5a77d868cf997ea024b627f87f9','2026-12-01T03:28:27.999255+00:00');
INSERT INTO "migrations" VALUES('0005_stores','f84caef30e09469d9cde78e34368d41c563da33717e6d3d72eaed52fb189d689','2026-12-01T03:28:27.999841+00:00');
INSERT INTO "migrations" VALUES('0006_calibrations','bbdc3dcbb6d1be5889afea03616796727c0cf99fb11148334d4ff0b7df41ae50','2026-12-01T03:28:28.000210+00:00');
INSERT INTO "migrations" VALUES('0007_run_figures','9147eb79718cf7bf9d25caaa75e86fd4a128b49b4975e6211adafda8a7d10625','2026-12-01T03:28:28.006574+00:00');
INSERT INTO "migrations" VALUES('0008_energy','824b6e0e06052e1887ee1dc6ab8a5c5a6880bce231b461e2b771f5fcc72ded99','2026-12-01T03:28:28.008533+00:00');
INSERT INTO "migrations" VALUES('0009_budgets','1731f24604eeab6659a7f6f3ebb2be613f7727be45b533e5b351a41b0d767371','2026-12-01T03:28:28.008957+00:00');
INSERT INTO "migrations" VALUES('0010_gpu_activity','fe39514336f9563ba2e318a32e647bdf6c0fd95bcfd7958620b1a3029292372a','2026-12-01T03:28:28.018814+00:00');
INSERT INTO "migrations" VALUES('0011_power_and_teams','3ac77f421b0254830c137bdd8cf367914359a4669b3022806d8e7daecb922e8c','2026-12-01T03:28:28.019543+00:00');
CREATE TABLE model_events (
    workload TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    version TEXT NOT NULL,
    event TEXT NOT NULL CHECK (event IN ('registered', 'promoted', 'retired', 'restored', 'rejected', 'rolled_back')),
    actor TEXT NOT NULL,
    reason TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (workload, sequence),
    FOREIGN KEY (workload, version) REFERENCES models (workload, version)
);
INSERT INTO "model_events" VALUES('machine_faults',1,'v-2b429439678b','registered','machine_faults / manual__2026-12-01T03:29:38.753094+00:00_c41e97ee','exported','2026-12-01T03:30:14.012131+00:00');
INSERT INTO "model_events" VALUES('machine_faults',3,'v-2b429439678b','promoted','machine_faults / manual__2026-12-01T03:29:38.753094+00:00_c41e97ee','rolled out','2026-12-01T03:30:22.399463+00:00');
INSERT INTO "model_events" VALUES('machine_faults',4,'v-8567daefbb65','registered','machine_faults / manual__2026-12-01T03:30:23.246882+00:00_1920a4cc','exported','2026-12-01T03:30:39.969150+00:00');
INSERT INTO "model_events" VALUES('machine_faults',6,'v-2b429439678b','retired','machine_faults / manual__2026-12-01T03:30:23.246882+00:00_1920a4cc','v-8567daefbb65 went live','2026-12-01T03:30:50.959769+00:00');
INSERT INTO "model_events" VALUES('machine_faults',7,'v-8567daefbb65','promoted','machine_faults / manual__2026-12-01T03:30:23.246882+00:00_1920a4cc','rolled out','2026-12-01T03:30:50.961074+00:00');
CREATE TABLE models (
    workload TEXT NOT NULL,
    version TEXT NOT NULL,
    uri TEXT NOT NULL,
    manifest_sha256 TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('candidate', 'live', 'retired', 'rejected', 'rolled_back')),
    dataset_uri TEXT NOT NULL,
    dataset_version BIGINT NOT NULL,
    dataset_until TEXT NOT NULL,
    size_bytes BIGINT NOT NULL,
    export_error DOUBLE PRECISION NOT NULL,
    export_tolerance DOUBLE PRECISION NOT NULL,
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    promoted_at TEXT,
    previous_version TEXT,
    PRIMARY KEY (workload, version),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);
INSERT INTO "models" VALUES('machine_faults','v-2b429439678b','file://@HOME@/store/models/machine_faults/v-2b429439678b','2b429439678b40c1836b30de029c34a8c5caab479b48d0538b4a11e9e8d5ed0d','retired','file://@HOME@/store/datasets/machine_faults',1,'2026-03-02',20597,1.0e-06,0.0001,'machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'2026-12-01T03:30:14.011444+00:00','2026-12-01T03:30:22.398031+00:00',NULL);
INSERT INTO "models" VALUES('machine_faults','v-8567daefbb65','file://@HOME@/store/models/machine_faults/v-8567daefbb65','8567daefbb65b5de7e21a6b8180c6acfae3aead91315ef0913d93ca768c6df27','live','file://@HOME@/store/datasets/machine_faults',2,'2026-03-03',20597,1.0e-06,0.0001,'machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'2026-12-01T03:30:39.968455+00:00','2026-12-01T03:30:50.960327+00:00','v-2b429439678b');
CREATE TABLE partitions (
    workload TEXT NOT NULL,
    day TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('staged', 'absent', 'failed', 'committed')),
    reason TEXT,
    row_count BIGINT,
    duplicates BIGINT,
    source_uri TEXT,
    source_bytes BIGINT,
    content_sha256 TEXT,
    profile TEXT,
    dataset_version BIGINT,
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    changed_at TEXT NOT NULL,
    PRIMARY KEY (workload, day),
    CHECK ((state = 'committed') = (dataset_version IS NOT NULL)),
    FOREIGN KEY (workload, dataset_version) REFERENCES dataset_versions (workload, version),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);
INSERT INTO "partitions" VALUES('machine_faults','2026-11-30','absent','no file of arrivals',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'machine_faults','scheduled__2026-12-01T00:00:00+00:00',0,'2026-12-01T03:29:49.728024+00:00');
INSERT INTO "partitions" VALUES('machine_faults','2026-03-02','committed',NULL,900,0,'file://@HOME@/arrivals/machine_faults/2026-03-02.csv',32136,'2c5b72795a5997568a4a55665f7beb80e780e2b86867724f1afa6a4cb2afba72','{"rows":900,"bytes":37052,"rows_by_split":{"test":197,"train":588,"validation":115},"label_counts":{"broken":300,"well":300,"worn":300},"train_label_counts":{"broken":197,"well":195,"worn":196},"token_lengths":null}',2,'machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'2026-12-01T03:30:29.087982+00:00');
INSERT INTO "partitions" VALUES('machine_faults','2026-03-03','committed',NULL,900,0,'file://@HOME@/arrivals/machine_faults/2026-03-03.csv',32136,'65eced824b07ae8a8673282c9ac8f014e7bbf1530d2d88080ad05a5856e0063f','{"rows":900,"bytes":37052,"rows_by_split":{"test":149,"train":650,"validation":101},"label_counts":{"broken":300,"well":300,"worn":300},"train_label_counts":{"broken":217,"well":216,"worn":217},"token_lengths":null}',2,'machine_faults','manual__2026-12-01T03:31:10.871663+00:00_abdc0fad',0,'2026-12-01T03:31:15.837875+00:00');
INSERT INTO "partitions" VALUES('machine_faults','2025-01-01','absent','no file of arrivals',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'machine_faults','manual__2026-12-01T03:30:51.602770+00:00_a65c477b',0,'2026-12-01T03:30:52.864555+00:00');
INSERT INTO "partitions" VALUES('machine_faults','2026-03-04','failed','a value is not one of the 3 of target.labels',NULL,NULL,NULL,NULL,NULL,NULL,NULL,'machine_faults','manual__2026-12-01T03:31:19.190364+00:00_1df71540',0,'2026-12-01T03:31:21.530577+00:00');
CREATE TABLE phases (
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    task_id TEXT NOT NULL,
    map_index INTEGER NOT NULL,
    try_number INTEGER NOT NULL,
    process_uid TEXT NOT NULL,
    phase TEXT NOT NULL,
    wall_seconds DOUBLE PRECISION NOT NULL,
    cpu_seconds DOUBLE PRECISION NOT NULL,
    joules DOUBLE PRECISION,
    idle_joules DOUBLE PRECISION,
    energy_coverage DOUBLE PRECISION,
    PRIMARY KEY (dag_id, run_id, repeat, task_id, map_index, try_number, process_uid, phase),
    FOREIGN KEY (dag_id, run_id, repeat, task_id, map_index, try_number, process_uid)
        REFERENCES tries (dag_id, run_id, repeat, task_id, map_index, try_number, process_uid) ON DELETE CASCADE
);
INSERT INTO "phases" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'train',-1,1,'host:24637:1796095798.74','load',8.17025634699894,4.91,2.56435793935584293028e+01,1.20919793935584305442e+01,0.0);
INSERT INTO "phases" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'train',-1,1,'host:24637:1796095798.74','train',0.515138222999667,4.90000000000000213162e-01,2.11480457003950750305e+00,7.62404570039507234469e-01,0.0);
INSERT INTO "phases" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'train',-1,1,'host:24637:1796095798.74','evaluate',0.0346095509994484,3.00000000000002486899e-02,1.34022135479184317796e-01,5.1222135479183632245e-02,0.0);
INSERT INTO "phases" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'train',-1,1,'host:24637:1796095798.74','export',5.22943300165934488177e-03,9.99999999999978683717e-03,3.53395608424552365445e-02,0.00773956084245583,0.0);
INSERT INTO "phases" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'export',-1,1,'host:24754:1796095808.50','load',3.8055584699977771379e+00,3.88999999999999923616e+00,1.63686265355967073276e+01,5.63222653559671,0.0);
INSERT INTO "phases" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'export',-1,1,'host:24754:1796095808.50','export',2.68484516996977617964e-01,2.40000000000000213162e-01,1.05975708515552735633e+00,3.97357085155526867925e-01,0.0);
INSERT INTO "phases" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'export',-1,1,'host:24754:1796095808.50','evaluate',1.63697539002896519377e-01,1.79999999999999715782e-01,0.739072357724286,2.42272357724286846458e-01,0.0);
INSERT INTO "phases" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'evaluate',-1,1,'host:24804:1796095813.52','load',2.08678486000280827283e-01,2.09999999999999964472e-01,8.88444159280415535206e-01,3.08844159280415642143e-01,0.0);
INSERT INTO "phases" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'evaluate',-1,1,'host:24804:1796095813.52','evaluate',1.43469338599970797076e+00,1.53999999999999981348e+00,6.3737462112795668645e+00,2.12334621127956779673e+00,0.0);
INSERT INTO "phases" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'train',-1,1,'host:24951:1796095829.50','load',3.72402357499959180131e+00,3.79000000000000047961e+00,1.59719548909993953596e+01,5.51155489099939543962e+00,0.0);
INSERT INTO "phases" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'train',-1,1,'host:24951:1796095829.50','train',6.91300490001594880595e-01,6.69999999999999928945e-01,2.87232472520236026269e+00,1.02312472520236030781e+00,0.0);
INSERT INTO "phases" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'train',-1,1,'host:24951:1796095829.50','evaluate',3.80924929995671845972e-02,4.00000000000000355271e-02,1.66776889639359521266e-01,5.63768896393594329263e-02,0.0);
INSERT INTO "phases" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'train',-1,1,'host:24951:1796095829.50','export',1.31626799993682652711e-02,0.0,1.94807663990650310747e-02,1.94807663990650310747e-02,0.0);
INSERT INTO "phases" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'export',-1,1,'host:24991:1796095834.77','load',3.63007269100126,3.70000000000000062172e+00,1.5584507582681865756e+01,5.37250758268186423549e+00,0.0);
INSERT INTO "phases" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'export',-1,1,'host:24991:1796095834.77','export',1.96811424000770784914e-01,1.99999999999998845368e-01,8.43280907521137490512e-01,2.91280907521140774996e-01,0.0);
INSERT INTO "phases" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'export',-1,1,'host:24991:1796095834.77','evaluate',1.30007802999898558482e-01,1.60000000000000142108e-01,6.34011548439850303182e-01,1.92411548439849866554e-01,0.0);
INSERT INTO "phases" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'evaluate',-1,1,'host:25042:1796095839.46','load',2.39550973998120753094e-01,2.19999999999999973354e-01,9.61735441517218569984e-01,3.5453544151721871902e-01,0.0);
INSERT INTO "phases" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'evaluate',-1,1,'host:25042:1796095839.46','evaluate',1.92004392200033180415e+00,2.04,8.47206500456049127478e+00,2.84166500456049098133e+00,0.0);
CREATE TABLE plans (
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    plan TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    stored_at TEXT NOT NULL,
    seconds DOUBLE PRECISION NOT NULL,
    peak_memory_bytes DOUBLE PRECISION NOT NULL,
    peak_gpu_memory_bytes DOUBLE PRECISION,
    joules DOUBLE PRECISION NOT NULL,
    cost DOUBLE PRECISION,
    currency TEXT,
    gco2e DOUBLE PRECISION,
    cost_per_joule DOUBLE PRECISION,
    cost_per_second DOUBLE PRECISION,
    gco2e_per_joule DOUBLE PRECISION,
    PRIMARY KEY (dag_id, run_id, repeat),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);
INSERT INTO "plans" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'{"schema_version":1,"made_at":"2026-12-01T03:29:58.809483Z","dataset":{"workload":"machine_faults","uri":"file://@HOME@/store/datasets/machine_faults","version":1,"until":"2026-03-02"},"model_parameters":2435,"forward_flops_per_row":4672.0,"training_flops":24046848.0,"train_rows":588,"tokens_per_epoch":null,"seconds_by_step":{"ingest":{"p50":3.000617533333333,"p90":4.800988053333334},"validate":{"p50":15.0018526,"p90":24.00296416},"size":{"p50":1.0,"p90":1.6},"train":{"p50":16.866907265864818,"p90":26.98705162538371},"export":{"p50":15.0,"p90":24.0},"evaluate":{"p50":9.960010538545456,"p90":15.93601686167273},"gate":{"p50":1.0,"p90":1.6},"roll_out":{"p50":15.0,"p90":24.0},"watch":{"p50":2.0,"p90":3.2},"close":{"p50":1.0,"p90":1.6}},"seconds":{"p50":79.8293879377436,"p90":127.72702070038976},"machine_seconds":{"p50":79.8293879377436,"p90":127.72702070038976},"peak_memory_bytes":{"p50":900136744.2,"p90":1260191441.8799999},"peak_gpu_memory_bytes":null,"joules":{"p50":400.14666868218796,"p90":640.2346698915007},"train_watts":{"p50":6.724,"p90":7.0},"cost":null,"currency":null,"gco2e":null,"hardware":{"name":"cpu","cores":2,"gflops_per_core":88.0,"idle_watts_per_core":0.74,"active_watts_per_core":2.76,"memory_bytes":25276502016,"gpu":null,"gpus":0,"device":null,"bytes_per_second":9000000000.0,"network_bytes_per_second":null,"disk_bytes_per_second":null,"price_per_hour":null},"site":"local","cluster":null,"start":null,"bottleneck":"input","memory_by_part":{"framework":900000000.0,"states":94965.0,"activations":41779.200000000004},"gpu_memory_by_part":{},"joules_by_part":{"host_idle":118.14749414786053,"host_active":281.99917453432744},"facility_joules":null,"network_bytes_per_second":1435.1953375386915,"disk_bytes_per_second":974.0,"storage_bytes":114972.0,"power_limit_watts":null,"unfit":[],"family":"mlp_classifier","parts":{"seconds":{"start":16.5,"input":0.3515,"products":5.867937863964866e-6,"elementwise":4.000115388956332e-6,"optimiser":0.00001854510767096207,"launches":0.015375799976616858,"exchange":0.0,"scoring":3.052727272727273e-6,"checkpoints":0.0},"watts":{"host_idle":1.48,"host_active":5.244},"memory":{"framework":900000000.0,"states":94965.0,"activations":41779.200000000004},"gpu_memory":{}},"calibration":null,"sha256":"c86a1341c50ca1686d77481925b49b78a070fbfd88e9d65ba5453e3a006ba550"}','c86a1341c50ca1686d77481925b49b78a070fbfd88e9d65ba5453e3a006ba550','2026-12-01T03:29:58.814800+00:00',79.8293879377436,900136744.2,NULL,4.00146668682187964813e+02,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "plans" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'{"schema_version":1,"made_at":"2026-12-01T03:30:29.675904Z","dataset":{"workload":"machine_faults","uri":"file://@HOME@/store/datasets/machine_faults","version":2,"until":"2026-03-03"},"model_parameters":2435,"forward_flops_per_row":4672.0,"training_flops":50629248.0,"train_rows":1238,"tokens_per_epoch":null,"seconds_by_step":{"ingest":{"p50":3.0012350666666667,"p90":4.801976106666667},"validate":{"p50":15.0037052,"p90":24.005928320000002},"size":{"p50":1.0,"p90":1.6},"train":{"p50":17.258625431614924,"p90":27.61380069058388},"export":{"p50":15.0,"p90":24.0},"evaluate":{"p50":12.126681160484848,"p90":19.40268985677576},"gate":{"p50":1.0,"p90":1.6},"roll_out":{"p50":15.0,"p90":24.0},"watch":{"p50":2.0,"p90":3.2},"close":{"p50":1.0,"p90":1.6}},"seconds":{"p50":82.39024685876645,"p90":131.8243949740263},"machine_seconds":{"p50":82.39024685876645,"p90":131.8243949740263},"peak_memory_bytes":{"p50":900136744.2,"p90":1260191441.8799999},"peak_gpu_memory_bytes":null,"joules":{"p50":417.35974825594553,"p90":667.7755972095129},"train_watts":{"p50":6.724,"p90":7.0},"cost":null,"currency":null,"gco2e":null,"hardware":{"name":"cpu","cores":2,"gflops_per_core":88.0,"idle_watts_per_core":0.74,"active_watts_per_core":2.76,"memory_bytes":25276502016,"gpu":null,"gpus":0,"device":null,"bytes_per_second":9000000000.0,"network_bytes_per_second":null,"disk_bytes_per_second":null,"price_per_hour":null},"site":"local","cluster":null,"start":null,"bottleneck":"input","memory_by_part":{"framework":900000000.0,"states":94965.0,"activations":41779.200000000004},"gpu_memory_by_part":{},"joules_by_part":{"host_idle":121.93756535097434,"host_active":295.4221829049712},"facility_joules":null,"network_bytes_per_second":2953.1369486170806,"disk_bytes_per_second":974.0,"storage_bytes":152024.0,"power_limit_watts":null,"unfit":[],"family":"mlp_classifier","parts":{"seconds":{"start":16.5,"input":0.727,"products":0.000012464792877204211,"elementwise":8.49712641206597e-6,"optimiser":0.00003840578148238519,"launches":0.031560330095970285,"exchange":0.0,"scoring":5.733818181818182e-6,"checkpoints":0.0},"watts":{"host_idle":1.48,"host_active":5.244},"memory":{"framework":900000000.0,"states":94965.0,"activations":41779.200000000004},"gpu_memory":{}},"calibration":null,"sha256":"6b0782aa9d6b74c626801b2843b72095c5f71e6e428de35de230938c7caae513"}','6b0782aa9d6b74c626801b2843b72095c5f71e6e428de35de230938c7caae513','2026-12-01T03:30:29.680003+00:00',8.2390246858766445822e+01,900136744.2,NULL,4.17359748255945532929e+02,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "plans" VALUES('machine_faults','manual__2026-12-01T03:30:54.752086+00:00_8ca827f7',0,'{"schema_version":1,"made_at":"2026-12-01T03:31:00.504553Z","dataset":{"workload":"machine_faults","uri":"file://@HOME@/store/datasets/machine_faults","version":2,"until":"2026-03-03"},"model_parameters":2435,"forward_flops_per_row":4672.0,"training_flops":50629248.0,"train_rows":1238,"tokens_per_epoch":null,"seconds_by_step":{"ingest":{"p50":3.0012350666666667,"p90":4.801976106666667},"validate":{"p50":15.0037052,"p90":24.005928320000002},"size":{"p50":1.0,"p90":1.6},"train":{"p50":17.258625431614924,"p90":27.61380069058388},"export":{"p50":15.0,"p90":24.0},"evaluate":{"p50":12.126681160484848,"p90":19.40268985677576},"gate":{"p50":1.0,"p90":1.6},"roll_out":{"p50":15.0,"p90":24.0},"watch":{"p50":2.0,"p90":3.2},"close":{"p50":1.0,"p90":1.6}},"seconds":{"p50":82.39024685876645,"p90":131.8243949740263},"machine_seconds":{"p50":82.39024685876645,"p90":131.8243949740263},"peak_memory_bytes":{"p50":900136744.2,"p90":1260191441.8799999},"peak_gpu_memory_bytes":null,"joules":{"p50":417.35974825594553,"p90":667.7755972095129},"train_watts":{"p50":6.724,"p90":7.0},"cost":null,"currency":null,"gco2e":null,"hardware":{"name":"cpu","cores":2,"gflops_per_core":88.0,"idle_watts_per_core":0.74,"active_watts_per_core":2.76,"memory_bytes":25276502016,"gpu":null,"gpus":0,"device":null,"bytes_per_second":9000000000.0,"network_bytes_per_second":null,"disk_bytes_per_second":null,"price_per_hour":null},"site":"local","cluster":null,"start":null,"bottleneck":"input","memory_by_part":{"framework":900000000.0,"states":94965.0,"activations":41779.200000000004},"gpu_memory_by_part":{},"joules_by_part":{"host_idle":121.93756535097434,"host_active":295.4221829049712},"facility_joules":null,"network_bytes_per_second":2953.1369486170806,"disk_bytes_per_second":974.0,"storage_bytes":152024.0,"power_limit_watts":null,"unfit":[],"family":"mlp_classifier","parts":{"seconds":{"start":16.5,"input":0.727,"products":0.000012464792877204211,"elementwise":8.49712641206597e-6,"optimiser":0.00003840578148238519,"launches":0.031560330095970285,"exchange":0.0,"scoring":5.733818181818182e-6,"checkpoints":0.0},"watts":{"host_idle":1.48,"host_active":5.244},"memory":{"framework":900000000.0,"states":94965.0,"activations":41779.200000000004},"gpu_memory":{}},"calibration":null,"sha256":"fcc4ba7e18102db08073e5cf852814c6616043c99f99c93a827ac6642d32e700"}','fcc4ba7e18102db08073e5cf852814c6616043c99f99c93a827ac6642d32e700','2026-12-01T03:31:00.508329+00:00',8.2390246858766445822e+01,900136744.2,NULL,4.17359748255945532929e+02,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "plans" VALUES('machine_faults','manual__2026-12-01T03:31:02.550305+00:00_80298473',0,'{"schema_version":1,"made_at":"2026-12-01T03:31:08.732320Z","dataset":{"workload":"machine_faults","uri":"file://@HOME@/store/datasets/machine_faults","version":2,"until":"2026-03-03"},"model_parameters":2435,"forward_flops_per_row":4672.0,"training_flops":50629248.0,"train_rows":1238,"tokens_per_epoch":null,"seconds_by_step":{"ingest":{"p50":3.0012350666666667,"p90":4.801976106666667},"validate":{"p50":15.0037052,"p90":24.005928320000002},"size":{"p50":1.0,"p90":1.6},"train":{"p50":17.258625431614924,"p90":27.61380069058388},"export":{"p50":15.0,"p90":24.0},"evaluate":{"p50":12.126681160484848,"p90":19.40268985677576},"gate":{"p50":1.0,"p90":1.6},"roll_out":{"p50":15.0,"p90":24.0},"watch":{"p50":2.0,"p90":3.2},"close":{"p50":1.0,"p90":1.6}},"seconds":{"p50":82.39024685876645,"p90":131.8243949740263},"machine_seconds":{"p50":82.39024685876645,"p90":131.8243949740263},"peak_memory_bytes":{"p50":900136744.2,"p90":1260191441.8799999},"peak_gpu_memory_bytes":null,"joules":{"p50":417.35974825594553,"p90":667.7755972095129},"train_watts":{"p50":6.724,"p90":7.0},"cost":null,"currency":null,"gco2e":null,"hardware":{"name":"cpu","cores":2,"gflops_per_core":88.0,"idle_watts_per_core":0.74,"active_watts_per_core":2.76,"memory_bytes":25276502016,"gpu":null,"gpus":0,"device":null,"bytes_per_second":9000000000.0,"network_bytes_per_second":null,"disk_bytes_per_second":null,"price_per_hour":null},"site":"local","cluster":null,"start":null,"bottleneck":"input","memory_by_part":{"framework":900000000.0,"states":94965.0,"activations":41779.200000000004},"gpu_memory_by_part":{},"joules_by_part":{"host_idle":121.93756535097434,"host_active":295.4221829049712},"facility_joules":null,"network_bytes_per_second":2953.1369486170806,"disk_bytes_per_second":974.0,"storage_bytes":152024.0,"power_limit_watts":null,"unfit":[],"family":"mlp_classifier","parts":{"seconds":{"start":16.5,"input":0.727,"products":0.000012464792877204211,"elementwise":8.49712641206597e-6,"optimiser":0.00003840578148238519,"launches":0.031560330095970285,"exchange":0.0,"scoring":5.733818181818182e-6,"checkpoints":0.0},"watts":{"host_idle":1.48,"host_active":5.244},"memory":{"framework":900000000.0,"states":94965.0,"activations":41779.200000000004},"gpu_memory":{}},"calibration":null,"sha256":"88b9b3ef868e353b0381cf43367ff6149918f130e0842288d8e807830695397c"}','88b9b3ef868e353b0381cf43367ff6149918f130e0842288d8e807830695397c','2026-12-01T03:31:08.738314+00:00',8.2390246858766445822e+01,900136744.2,NULL,4.17359748255945532929e+02,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "plans" VALUES('machine_faults','manual__2026-12-01T03:31:10.871663+00:00_abdc0fad',0,'{"schema_version":1,"made_at":"2026-12-01T03:31:16.393415Z","dataset":{"workload":"machine_faults","uri":"file://@HOME@/store/datasets/machine_faults","version":2,"until":"2026-03-03"},"model_parameters":2435,"forward_flops_per_row":4672.0,"training_flops":50629248.0,"train_rows":1238,"tokens_per_epoch":null,"seconds_by_step":{"ingest":{"p50":3.0012350666666667,"p90":4.801976106666667},"validate":{"p50":15.0037052,"p90":24.005928320000002},"size":{"p50":1.0,"p90":1.6},"train":{"p50":17.259527538381622,"p90":27.615244061410596},"export":{"p50":15.0,"p90":24.0},"evaluate":{"p50":12.126681160484848,"p90":19.40268985677576},"gate":{"p50":1.0,"p90":1.6},"roll_out":{"p50":15.0,"p90":24.0},"watch":{"p50":2.0,"p90":3.2},"close":{"p50":1.0,"p90":1.6}},"seconds":{"p50":82.39114896553315,"p90":131.825838344853},"machine_seconds":{"p50":99.65067650391477,"p90":159.4410824062636},"peak_memory_bytes":{"p50":900115854.6,"p90":1260162196.44},"peak_gpu_memory_bytes":null,"joules":{"p50":533.4188771899228,"p90":853.4702035038765},"train_watts":{"p50":13.448,"p90":14.0},"cost":null,"currency":null,"gco2e":null,"hardware":{"name":"cpu","cores":2,"gflops_per_core":88.0,"idle_watts_per_core":0.74,"active_watts_per_core":2.76,"memory_bytes":25276502016,"gpu":null,"gpus":0,"device":null,"bytes_per_second":9000000000.0,"network_bytes_per_second":null,"disk_bytes_per_second":null,"price_per_hour":null},"site":"local","cluster":null,"start":null,"bottleneck":"input","memory_by_part":{"framework":900000000.0,"states":94965.0,"activations":20889.600000000002},"gpu_memory_by_part":{},"joules_by_part":{"host_idle":147.48300122579386,"host_active":385.9358759641289},"facility_joules":null,"network_bytes_per_second":35043443.97924816,"disk_bytes_per_second":974.0,"storage_bytes":152024.0,"power_limit_watts":null,"unfit":[],"family":"mlp_classifier","parts":{"seconds":{"start":16.5,"input":0.727,"products":5.133661349640613e-6,"elementwise":3.4995663284874045e-6,"optimiser":0.000031635066533586316,"launches":0.03156987226922587,"exchange":0.000911664,"scoring":5.733818181818182e-6,"checkpoints":0.0},"watts":{"host_idle":2.96,"host_active":10.488},"memory":{"framework":900000000.0,"states":94965.0,"activations":20889.600000000002},"gpu_memory":{}},"calibration":null,"sha256":"b6d171a047d2c7fc26cbf0e351b0d0151bb5ba6d51e703364df508973ce08b48"}','b6d171a047d2c7fc26cbf0e351b0d0151bb5ba6d51e703364df508973ce08b48','2026-12-01T03:31:16.397400+00:00',8.2391148965533147928e+01,900115854.6,NULL,5.33418877189922795893e+02,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE power_claims (
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    site TEXT NOT NULL,
    watts DOUBLE PRECISION NOT NULL,
    asked_at TEXT NOT NULL,
    seen_at TEXT NOT NULL,
    taken_until TEXT,
    PRIMARY KEY (dag_id, run_id, repeat),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);
CREATE TABLE power_sites (
    site TEXT NOT NULL PRIMARY KEY,
    changes BIGINT NOT NULL
);
CREATE TABLE rows_lessons (
    workload TEXT NOT NULL,
    hardware TEXT NOT NULL,
    rows_at_once BIGINT NOT NULL,
    learned_at TEXT NOT NULL,
    PRIMARY KEY (workload, hardware)
);
CREATE TABLE run_figures (
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    workload TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at TEXT NOT NULL,
    measured_seconds DOUBLE PRECISION,
    measured_peak_memory_bytes BIGINT,
    measured_peak_gpu_memory_bytes BIGINT,
    measured_joules DOUBLE PRECISION,
    energy_method TEXT,
    energy_coverage DOUBLE PRECISION,
    cost DOUBLE PRECISION,
    currency TEXT,
    quality DOUBLE PRECISION,
    seconds_error DOUBLE PRECISION,
    joules_error DOUBLE PRECISION,
    PRIMARY KEY (dag_id, run_id, repeat),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);
INSERT INTO "run_figures" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'machine_faults','success','2026-12-01T03:29:47.074441+00:00',2.73241938069986645132e+01,937422848,NULL,8.79394068343580386209e+01,'estimated',0.0,NULL,NULL,9.69022013334842280407e-01,-6.57717608604140524519e-01,-7.80232065597419865987e-01);
INSERT INTO "run_figures" VALUES('machine_faults','scheduled__2026-12-01T00:00:00+00:00',0,'machine_faults','skipped','2026-12-01T03:29:47.115865+00:00',1.73602019996906165033e-01,NULL,NULL,3.12130989595421126647e-01,'estimated',0.0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "run_figures" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'machine_faults','success','2026-12-01T03:30:24.218991+00:00',21.6054688370059,940732416,NULL,7.35416938787687115555e+01,'estimated',0.0,NULL,NULL,9.82560710182120433664e-01,-7.37766669469481661813e-01,-8.23793036616292662088e-01);
INSERT INTO "run_figures" VALUES('machine_faults','manual__2026-12-01T03:30:51.602770+00:00_a65c477b',0,'machine_faults','skipped','2026-12-01T03:30:52.212142+00:00',4.10598689995822496712e-02,NULL,NULL,1.15968606119381686947e-01,'estimated',0.0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "run_figures" VALUES('machine_faults','manual__2026-12-01T03:30:54.752086+00:00_8ca827f7',0,'machine_faults','dry_run','2026-12-01T03:30:55.163410+00:00',3.40859144800197100266e+00,161927168,NULL,1.45667153430429188176e+01,'estimated',0.0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "run_figures" VALUES('machine_faults','manual__2026-12-01T03:31:02.550305+00:00_80298473',0,'machine_faults','success','2026-12-01T03:31:03.232117+00:00',3.46070823099944391287e+00,161947648,NULL,1.45886481818791757802e+01,'estimated',0.0,NULL,NULL,NULL,-9.579961419835069103e-01,-9.65045387719247194091e-01);
INSERT INTO "run_figures" VALUES('machine_faults','manual__2026-12-01T03:31:10.871663+00:00_abdc0fad',0,'machine_faults','failed','2026-12-01T03:31:11.208908+00:00',3.27544047300762031227e+00,165523456,NULL,1.41212519000512770617e+01,'estimated',0.0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "run_figures" VALUES('machine_faults','manual__2026-12-01T03:31:19.190364+00:00_1df71540',0,'machine_faults','failed','2026-12-01T03:31:20.279427+00:00',3.07501478000631323084e-01,NULL,NULL,1.00710218744093427112e+00,'estimated',0.0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "run_figures" VALUES('machine_faults','backfill__2026-03-06T00:00:00+00:00',0,'machine_faults','rejected','2026-12-01T03:31:42.442473+00:00',3.75475960026960819959e-02,NULL,NULL,8.31704420839902286433e-02,'estimated',0.0,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE runs (
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    workload TEXT NOT NULL,
    team TEXT NOT NULL,
    site TEXT NOT NULL,
    partition_first TEXT NOT NULL,
    partition_last TEXT NOT NULL,
    run_type TEXT NOT NULL,
    state TEXT NOT NULL CHECK (
        state IN ('running', 'success', 'failed', 'skipped', 'dry_run', 'rejected', 'rolled_back', 'superseded')
    ),
    reason TEXT,
    quality_metric TEXT NOT NULL CHECK (quality_metric IN ('micro_f1', 'macro_f1')),
    verdict TEXT,
    decision TEXT,
    dataset_version BIGINT,
    model_version TEXT,
    started_at TEXT NOT NULL,
    finished_at TEXT,
    revision BIGINT NOT NULL, pue DOUBLE PRECISION,
    PRIMARY KEY (dag_id, run_id, repeat),
    CHECK ((state = 'running') = (finished_at IS NULL)),
    CHECK (state = 'running' OR (reason IS NOT NULL AND LENGTH(reason) > 0))
);
INSERT INTO "runs" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'machine_faults','plant','local','2026-03-02','2026-03-02','manual','success','the new version is live','macro_f1','{"outcome":"pass","reasons":["macro_f1 0.9690 reaches the floor 0.5000","p99 latency 0.1 ms is within the limit 1,000.0 ms","peak memory 111.1 MiB is within the limit 4,096.0 MiB","no live version: the floors decide about v-2b429439678b"]}','pass',1,'v-2b429439678b','2026-12-01T03:29:47.074441+00:00','2026-12-01T03:30:22.654292+00:00',19,NULL);
INSERT INTO "runs" VALUES('machine_faults','scheduled__2026-12-01T00:00:00+00:00',0,'machine_faults','plant','local','2026-11-30','2026-11-30','scheduled','skipped','no new data: no file of arrivals from 2026-11-30 to 2026-11-30','macro_f1',NULL,NULL,NULL,NULL,'2026-12-01T03:29:47.115865+00:00','2026-12-01T03:29:52.980225+00:00',5,NULL);
INSERT INTO "runs" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'machine_faults','plant','local','2026-03-02','2026-03-03','manual','success','the new version is live','macro_f1','{"outcome":"pass","reasons":["macro_f1 0.9826 reaches the floor 0.5000","p99 latency 0.2 ms is within the limit 1,000.0 ms","peak memory 111.0 MiB is within the limit 4,096.0 MiB","macro_f1 0.9826, the live version''s is 0.9767: a change of +0.0059, a drop of 0.0100 is accepted","p99 latency 0.2 ms (+41%) and median 0.0 ms (-1%) against the live version; +25% is accepted","peak memory 111.0 MiB, the live version''s is 111.0 MiB","0.000226 joules per request (estimated), the live version''s are 0.000196 (estimated): estimated joules are shown, never judged"]}','pass',2,'v-8567daefbb65','2026-12-01T03:30:24.218991+00:00','2026-12-01T03:30:51.330657+00:00',19,NULL);
INSERT INTO "runs" VALUES('machine_faults','manual__2026-12-01T03:30:51.602770+00:00_a65c477b',0,'machine_faults','plant','local','2025-01-01','2025-01-01','manual','skipped','no new data: no file of arrivals from 2025-01-01 to 2025-01-01','macro_f1',NULL,NULL,NULL,NULL,'2026-12-01T03:30:52.212142+00:00','2026-12-01T03:30:54.561035+00:00',5,NULL);
INSERT INTO "runs" VALUES('machine_faults','manual__2026-12-01T03:30:54.752086+00:00_8ca827f7',0,'machine_faults','plant','local','2026-03-03','2026-03-03','manual','dry_run','dry run: the plan is in the ledger, nothing is trained','macro_f1',NULL,NULL,2,NULL,'2026-12-01T03:30:55.163410+00:00','2026-12-01T03:31:02.234916+00:00',10,NULL);
INSERT INTO "runs" VALUES('machine_faults','manual__2026-12-01T03:31:02.550305+00:00_80298473',0,'machine_faults','plant','local','2026-03-03','2026-03-03','manual','success','asked not to train: the data is published','macro_f1',NULL,NULL,2,NULL,'2026-12-01T03:31:03.232117+00:00','2026-12-01T03:31:10.418068+00:00',10,NULL);
INSERT INTO "runs" VALUES('machine_faults','manual__2026-12-01T03:31:10.871663+00:00_abdc0fad',0,'machine_faults','plant','local','2026-03-03','2026-03-03','manual','failed','train: 2 workers on one machine','macro_f1',NULL,NULL,2,NULL,'2026-12-01T03:31:11.208908+00:00','2026-12-01T03:31:18.886888+00:00',10,NULL);
INSERT INTO "runs" VALUES('machine_faults','manual__2026-12-01T03:31:19.190364+00:00_1df71540',0,'machine_faults','plant','local','2026-03-04','2026-03-04','manual','failed','ingest: a value is not one of the 3 of target.labels','macro_f1',NULL,NULL,NULL,NULL,'2026-12-01T03:31:20.279427+00:00','2026-12-01T03:31:24.138972+00:00',5,NULL);
INSERT INTO "runs" VALUES('machine_faults','backfill__2026-03-06T00:00:00+00:00',0,'machine_faults','plant','local','2026-03-05','2026-03-05','backfill','rejected','the backfill''s budget of 1e-06 kWh does not hold this run''s 2.12e-05: its other runs take 0, and the whole was priced 0.0001199; not approved, by admin','macro_f1',NULL,NULL,NULL,NULL,'2026-12-01T03:31:42.442473+00:00','2026-12-01T03:31:48.099592+00:00',3,NULL);
CREATE TABLE storage_sizes (
    measured_at TEXT NOT NULL,
    store_uri TEXT NOT NULL,
    workload TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('dataset', 'models', 'runs', 'serving')),
    file_count BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    PRIMARY KEY (measured_at, store_uri, workload, kind)
);
CREATE TABLE stores (
    uri TEXT NOT NULL PRIMARY KEY,
    exclusive INTEGER NOT NULL CHECK (exclusive IN (0, 1)),
    traits TEXT NOT NULL,
    probed_at TEXT NOT NULL
);
INSERT INTO "stores" VALUES('file://@HOME@/store',1,'{"uri":"file://@HOME@/store","probed_at":"2026-12-01T03:29:51.150147Z","means":"rename","keeps_what_is_there":true,"one_wins":true,"lists_at_once":true,"remarks":[]}','2026-12-01T03:29:51.150147+00:00');
CREATE TABLE sweeps (
    swept_at TEXT NOT NULL,
    store_uri TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('attempt', 'part', 'upload', 'table_file', 'model')),
    workload TEXT NOT NULL,
    applied INTEGER NOT NULL CHECK (applied IN (0, 1)),
    item_count BIGINT NOT NULL,
    size_bytes BIGINT NOT NULL,
    PRIMARY KEY (swept_at, store_uri, kind, workload)
);
CREATE TABLE swept_models (
    workload TEXT NOT NULL,
    version TEXT NOT NULL,
    swept_at TEXT NOT NULL,
    PRIMARY KEY (workload, version),
    FOREIGN KEY (workload, version) REFERENCES models (workload, version)
);
CREATE TABLE team_runs (
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    kwh DOUBLE PRECISION NOT NULL,
    gpu_hours DOUBLE PRECISION NOT NULL,
    money DOUBLE PRECISION,
    gpus DOUBLE PRECISION NOT NULL,
    past TEXT,
    approved_by TEXT,
    changed_at TEXT NOT NULL,
    PRIMARY KEY (dag_id, run_id, repeat),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);
CREATE TABLE teams (
    team TEXT NOT NULL PRIMARY KEY,
    changes BIGINT NOT NULL
);
CREATE TABLE tries (
    dag_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    task_id TEXT NOT NULL,
    map_index INTEGER NOT NULL,
    try_number INTEGER NOT NULL,
    process_uid TEXT NOT NULL,
    step TEXT NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('ok', 'skipped', 'failed', 'interrupted', 'lost')),
    reason TEXT NOT NULL,
    started_at TEXT,
    wall_seconds DOUBLE PRECISION,
    cpu_seconds DOUBLE PRECISION,
    peak_memory_bytes BIGINT,
    peak_gpu_memory_bytes BIGINT,
    read_bytes BIGINT,
    written_bytes BIGINT,
    joules DOUBLE PRECISION,
    energy_method TEXT,
    energy_coverage DOUBLE PRECISION,
    report TEXT,
    committed_at TEXT NOT NULL, idle_joules DOUBLE PRECISION,
    PRIMARY KEY (dag_id, run_id, repeat, task_id, map_index, try_number, process_uid),
    FOREIGN KEY (dag_id, run_id, repeat) REFERENCES runs (dag_id, run_id, repeat)
);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'divide',-1,1,'airflow:01a22fa6-9ff4-76ee-98ea-fcb59ac05596','divide','ok','done','2026-12-01T03:29:47.096780+00:00',1.89350199798354879021e-03,0.0,162091008,NULL,1889,0,2.8023829570156520187e-03,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:29:47.096780Z","wall_seconds":0.0018935019979835488,"cpu_seconds":0.0,"peak_memory_bytes":162091008,"peak_gpu_memory_bytes":null,"read_bytes":1889,"written_bytes":0,"joules":0.002802382957015652,"idle_joules":0.002802382957015652,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:29:47.101696+00:00',2.8023829570156520187e-03);
INSERT INTO "tries" VALUES('machine_faults','scheduled__2026-12-01T00:00:00+00:00',0,'divide',-1,1,'airflow:01a22fa6-a04d-7405-ba72-310ba62c531d','divide','ok','done','2026-12-01T03:29:47.131031+00:00',1.9575919977796729654e-03,0.0,161968128,NULL,1897,0,2.89723615671391579798e-03,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:29:47.131031Z","wall_seconds":0.001957591997779673,"cpu_seconds":0.0,"peak_memory_bytes":161968128,"peak_gpu_memory_bytes":null,"read_bytes":1897,"written_bytes":0,"joules":0.002897236156713916,"idle_joules":0.002897236156713916,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:29:47.137659+00:00',2.89723615671391579798e-03);
INSERT INTO "tries" VALUES('machine_faults','scheduled__2026-12-01T00:00:00+00:00',0,'ingest',0,1,'host:24489:1796095788.03','ingest','skipped','no new data: no file of arrivals from 2026-11-30 to 2026-11-30','2026-12-01T03:29:49.617727+00:00',3.42127199837705120444e-03,0.0,92913664,NULL,1888,66,5.06348255759803567849e-03,'estimated',0.0,'{"schema_version":1,"outcome":"skipped","reason":"no new data: no file of arrivals from 2026-11-30 to 2026-11-30","error":null,"meter":{"started_at":"2026-12-01T03:29:49.617727Z","wall_seconds":0.003421271998377051,"cpu_seconds":0.0,"peak_memory_bytes":92913664,"peak_gpu_memory_bytes":null,"read_bytes":1888,"written_bytes":66,"joules":0.005063482557598036,"idle_joules":0.005063482557598036,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":{"kind":"ingest","staged":[],"absent":["2026-11-30"]}}','2026-12-01T03:29:49.727299+00:00',5.06348255759803567849e-03);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'ingest',0,1,'host:24491:1796095788.06','ingest','ok','done','2026-12-01T03:29:49.657876+00:00',6.65490939001756487414e-01,2.69999999999999906741e-01,146874368,NULL,10584274,12591,1.73012658972259925072e+00,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:29:49.657876Z","wall_seconds":0.6654909390017565,"cpu_seconds":0.2699999999999999,"peak_memory_bytes":146874368,"peak_gpu_memory_bytes":null,"read_bytes":10584274,"written_bytes":12591,"joules":1.7301265897225993,"idle_joules":0.9849265897225996,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":{"kind":"ingest","staged":[{"partition":"2026-03-02","file_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-29-38-753094-00-00-c41e97ee-5cb6e993/ingest/try-1/out/2026-03-02.parquet","rows":900,"duplicates":0,"source_uri":"file://@HOME@/arrivals/machine_faults/2026-03-02.csv","source_bytes":32136,"dropped_columns":[],"bad_rows":0,"bad_rows_uri":null,"content_sha256":"2c5b72795a5997568a4a55665f7beb80e780e2b86867724f1afa6a4cb2afba72"}],"absent":[]}}','2026-12-01T03:29:50.377007+00:00',9.84926589722599610254e-01);
INSERT INTO "tries" VALUES('machine_faults','scheduled__2026-12-01T00:00:00+00:00',0,'close',-1,1,'airflow:01a22fa6-a05a-7ca9-b73c-969b60ae9ed6','close','ok','done','2026-12-01T03:29:52.835339+00:00',1.68223156000749440863e-01,2.00000000000000177635e-02,165957632,NULL,301381,99105,3.04170270881109205962e-01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:29:52.835339Z","wall_seconds":0.16822315600074944,"cpu_seconds":0.020000000000000018,"peak_memory_bytes":165957632,"peak_gpu_memory_bytes":null,"read_bytes":301381,"written_bytes":99105,"joules":0.3041702708811092,"idle_joules":0.24897027088110918,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:29:53.006378+00:00',2.48970270881109179139e-01);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'validate',-1,1,'host:24551:1796095790.41','validate','ok','done','2026-12-01T03:29:51.558062+00:00',6.42572337299861828796e+00,3.61,353665024,NULL,52950999,8543492,1.94736705920379549183e+01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:29:51.558062Z","wall_seconds":6.425723372998618,"cpu_seconds":3.61,"peak_memory_bytes":353665024,"peak_gpu_memory_bytes":null,"read_bytes":52950999,"written_bytes":8543492,"joules":19.473670592037955,"idle_joules":9.510070592037955,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":{"kind":"validate","dataset_uri":"file://@HOME@/store/datasets/machine_faults","version":1,"published":[{"partition":"2026-03-02","file_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-29-38-753094-00-00-c41e97ee-5cb6e993/ingest/try-1/out/2026-03-02.parquet","rows":900,"duplicates":0,"source_uri":"file://@HOME@/arrivals/machine_faults/2026-03-02.csv","source_bytes":32136,"dropped_columns":[],"bad_rows":0,"bad_rows_uri":null,"content_sha256":"2c5b72795a5997568a4a55665f7beb80e780e2b86867724f1afa6a4cb2afba72"}],"outcomes":[{"partition":"2026-03-02","expectation":"expect_table_row_count_to_be_between","column":null,"success":true,"detail":"10 rows or more"},{"partition":"2026-03-02","expectation":"expect_table_columns_to_match_set","column":null,"success":true,"detail":"the columns [''id'', ''temperature'', ''vibration'', ''load'', ''state'', ''split_'', ''partition_'']"},{"partition":"2026-03-02","expectation":"expect_column_values_to_not_be_null","column":"id","success":true,"detail":"complete"},{"partition":"2026-03-02","expectation":"expect_column_values_to_be_between","column":"id","success":true,"detail":"minimum 0"},{"partition":"2026-03-02","expectation":"expect_column_values_to_not_be_null","column":"temperature","success":true,"detail":"complete"},{"partition":"2026-03-02","expectation":"expect_column_values_to_be_between","column":"temperature","success":true,"detail":"minimum -50 and maximum 500"},{"partition":"2026-03-02","expectation":"expect_column_values_to_not_be_null","column":"vibration","success":true,"detail":"complete"},{"partition":"2026-03-02","expectation":"expect_column_values_to_be_between","column":"vibration","success":true,"detail":"minimum 0"},{"partition":"2026-03-02","expectation":"expect_column_values_to_not_be_null","column":"load","success":true,"detail":"complete"},{"partition":"2026-03-02","expectation":"expect_column_values_to_be_between","column":"load","success":true,"detail":"minimum 0 and maximum 1"},{"partition":"2026-03-02","expectation":"expect_column_values_to_not_be_null","column":"state","success":true,"detail":"complete"},{"partition":"2026-03-02","expectation":"expect_column_values_to_be_in_set","column":"state","success":true,"detail":"one of target.labels"},{"partition":"2026-03-02","expectation":"expect_column_values_to_not_be_null","column":"split_","success":true,"detail":"complete"},{"partition":"2026-03-02","expectation":"expect_column_values_to_be_in_set","column":"split_","success":true,"detail":"one of Millrace''s splits"},{"partition":"2026-03-02","expectation":"expect_column_values_to_not_be_null","column":"partition_","success":true,"detail":"complete"},{"partition":"2026-03-02","expectation":"expect_column_values_to_be_in_set","column":"label","success":true,"detail":"one of target.labels"},{"partition":"2026-03-02..2026-03-02","expectation":"expect_column_values_to_be_between","column":"training_examples","success":true,"detail":"every label has an example in the training split"}],"docs_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-29-38-753094-00-00-c41e97ee-5cb6e993/validate/try-1/out/docs/index.html","profiles":{"2026-03-02":{"rows":900,"bytes":37052,"rows_by_split":{"test":197,"train":588,"validation":115},"label_counts":{"broken":300,"well":300,"worn":300},"train_label_counts":{"broken":197,"well":195,"worn":196},"token_lengths":null}}}}','2026-12-01T03:29:58.023279+00:00',9.5100705920379553504e+00);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'size',-1,1,'airflow:01a22fa6-9ff8-7284-9ee8-9ecc283f91a1','size','ok','done','2026-12-01T03:29:58.802628+00:00',2.06705210002837702631e-02,2.00000000000000038857e-02,162762752,NULL,294953,92802,8.57923710804199823876e-02,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:29:58.802628Z","wall_seconds":0.02067052100028377,"cpu_seconds":0.020000000000000004,"peak_memory_bytes":162762752,"peak_gpu_memory_bytes":null,"read_bytes":294953,"written_bytes":92802,"joules":0.08579237108041998,"idle_joules":0.03059237108041998,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:29:58.827255+00:00',3.05923710804199798507e-02);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'train',-1,1,'host:24637:1796095798.74','train','ok','done','2026-12-01T03:30:00.013464+00:00',8.9364356120022421237e+00,5.57,937422848,NULL,87747753,350143,2.85991247057633160002e+01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:00.013464Z","wall_seconds":8.936435612002242,"cpu_seconds":5.57,"peak_memory_bytes":937422848,"peak_gpu_memory_bytes":null,"read_bytes":87747753,"written_bytes":350143,"joules":28.599124705763316,"idle_joules":13.225924705763319,"energy_method":"estimated","energy_coverage":0.0,"phases":[{"phase":"load","wall_seconds":8.17025634699894,"cpu_seconds":4.91,"joules":25.64357939355843,"idle_joules":12.09197939355843,"energy_coverage":0.0},{"phase":"train","wall_seconds":0.515138222999667,"cpu_seconds":0.4900000000000002,"joules":2.1148045700395075,"idle_joules":0.7624045700395072,"energy_coverage":0.0},{"phase":"evaluate","wall_seconds":0.0346095509994484,"cpu_seconds":0.03000000000000025,"joules":0.13402213547918432,"idle_joules":0.05122213547918363,"energy_coverage":0.0},{"phase":"export","wall_seconds":0.005229433001659345,"cpu_seconds":0.009999999999999787,"joules":0.03533956084245524,"idle_joules":0.00773956084245583,"energy_coverage":0.0}]},"result":{"kind":"train","trained_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-29-38-753094-00-00-c41e97ee-5cb6e993/train/try-1/out/trained","trained_sha256":"c314ac041efbc08a71719694558d388d551c7f164f0ac95a290c050132bf2c7d","losses":[0.6776141712540075,0.16729715897848732,0.07910309839797647],"rows":588,"steps":57,"tokens":null,"resumed_from_step":null,"thresholds":[0.0,0.0,0.0],"validation_micro_f1":0.991304347826087,"rows_per_second":19168.729570049654}}','2026-12-01T03:30:09.071292+00:00',1.32259247057633189115e+01);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'export',-1,1,'host:24754:1796095808.50','export','ok','done','2026-12-01T03:30:09.550924+00:00',4.34130749099858803674e+00,4.44999999999999928945e+00,966606848,NULL,89748783,77293,1.87071350866779084753e+01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:09.550924Z","wall_seconds":4.341307490998588,"cpu_seconds":4.449999999999999,"peak_memory_bytes":966606848,"peak_gpu_memory_bytes":null,"read_bytes":89748783,"written_bytes":77293,"joules":18.70713508667791,"idle_joules":6.42513508667791,"energy_method":"estimated","energy_coverage":0.0,"phases":[{"phase":"load","wall_seconds":3.805558469997777,"cpu_seconds":3.8899999999999992,"joules":16.368626535596707,"idle_joules":5.63222653559671,"energy_coverage":0.0},{"phase":"export","wall_seconds":0.2684845169969776,"cpu_seconds":0.2400000000000002,"joules":1.0597570851555274,"idle_joules":0.39735708515552687,"energy_coverage":0.0},{"phase":"evaluate","wall_seconds":0.16369753900289652,"cpu_seconds":0.17999999999999972,"joules":0.739072357724286,"idle_joules":0.24227235772428685,"energy_coverage":0.0}]},"result":{"kind":"export","model":{"workload":"machine_faults","version":"v-2b429439678b","uri":"file://@HOME@/store/models/machine_faults/v-2b429439678b","manifest_sha256":"2b429439678b40c1836b30de029c34a8c5caab479b48d0538b4a11e9e8d5ed0d"},"export_error":1e-6,"export_tolerance":0.0001,"bytes":20597}}','2026-12-01T03:30:14.009678+00:00',6.42513508667791);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'evaluate',-1,1,'host:24804:1796095813.52','evaluate','ok','done','2026-12-01T03:30:14.585185+00:00',1.74860078400161,1.90999999999999969801e+00,315019264,NULL,41865969,69680,7.85952916032238135812e+00,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:14.585185Z","wall_seconds":1.74860078400161,"cpu_seconds":1.9099999999999997,"peak_memory_bytes":315019264,"peak_gpu_memory_bytes":null,"read_bytes":41865969,"written_bytes":69680,"joules":7.859529160322381,"idle_joules":2.587929160322383,"energy_method":"estimated","energy_coverage":0.0,"phases":[{"phase":"load","wall_seconds":0.20867848600028083,"cpu_seconds":0.20999999999999996,"joules":0.8884441592804155,"idle_joules":0.30884415928041564,"energy_coverage":0.0},{"phase":"evaluate","wall_seconds":1.434693385999708,"cpu_seconds":1.5399999999999998,"joules":6.373746211279567,"idle_joules":2.123346211279568,"energy_coverage":0.0}]},"result":{"kind":"evaluate","candidate":{"model":{"workload":"machine_faults","version":"v-2b429439678b","uri":"file://@HOME@/store/models/machine_faults/v-2b429439678b","manifest_sha256":"2b429439678b40c1836b30de029c34a8c5caab479b48d0538b4a11e9e8d5ed0d"},"rows":197,"micro_f1":0.9695431472081218,"macro_f1":0.9690220133348423,"calibration_error":0.028020846057059196,"labels":[{"label":"well","support":68,"precision":0.9855072463768116,"recall":1.0,"f1":0.9927007299270073},{"label":"worn","support":65,"precision":0.9682539682539683,"recall":0.9384615384615385,"f1":0.953125},{"label":"broken","support":64,"precision":0.9538461538461539,"recall":0.96875,"f1":0.9612403100775194}],"serving":{"requests":200,"p50_latency_seconds":0.000030978999348008074,"p99_latency_seconds":0.00009312887115811458,"joules_per_request":0.00005824732397813932,"energy_method":"estimated","peak_memory_bytes":116457472}},"live":null,"baseline":{"micro_f1":0.9746192893401016,"threshold":0.0,"seconds":1.012651338998694},"replay_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-29-38-753094-00-00-c41e97ee-5cb6e993/evaluate/try-1/out/replay.jsonl"}}','2026-12-01T03:30:16.401711+00:00',2.58792916032238284884e+00);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'gate',-1,1,'airflow:01a22fa6-9ffd-7598-973f-d4e1b2bf5c47','gate','ok','done','2026-12-01T03:30:16.663973+00:00',8.35499900131253525614e-03,9.99999999999999500399e-03,162021376,NULL,92800,10248,3.99653985219425370023e-02,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:16.663973Z","wall_seconds":0.008354999001312535,"cpu_seconds":0.009999999999999995,"peak_memory_bytes":162021376,"peak_gpu_memory_bytes":null,"read_bytes":92800,"written_bytes":10248,"joules":0.03996539852194254,"idle_joules":0.012365398521942551,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:30:16.675730+00:00',1.23653985219425513464e-02);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'roll_out',-1,1,'airflow:01a22fa6-9fff-7a24-8f74-0fc54e0abac7','roll_out','ok','done','2026-12-01T03:30:16.972507+00:00',2.44918092099760542623e+00,1.23,380100608,NULL,29994993,348734,7.01958776307645493375e+00,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:16.972507Z","wall_seconds":2.4491809209976054,"cpu_seconds":1.23,"peak_memory_bytes":380100608,"peak_gpu_memory_bytes":null,"read_bytes":29994993,"written_bytes":348734,"joules":7.019587763076455,"idle_joules":3.624787763076456,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:30:19.424972+00:00',3.62478776307645578214e+00);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'watch',-1,1,'airflow:01a22fa6-a000-7eec-80d0-aa57437a8882','watch','ok','done','2026-12-01T03:30:19.727227+00:00',2.67517776200111256912e+00,0.12,168112128,NULL,477642,41571,4.29046308776164586618e+00,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:19.727227Z","wall_seconds":2.6751777620011126,"cpu_seconds":0.12,"peak_memory_bytes":168112128,"peak_gpu_memory_bytes":null,"read_bytes":477642,"written_bytes":41571,"joules":4.290463087761646,"idle_joules":3.9592630877616464,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:30:22.405097+00:00',3.95926308776164637137e+00);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:29:38.753094+00:00_c41e97ee',0,'close',-1,1,'airflow:01a22fa6-a001-7711-832b-007464afb00f','close','ok','done','2026-12-01T03:30:22.607645+00:00',5.13579029975517187267e-02,2.00000000000000177635e-02,165900288,NULL,615495,132103,1.31209696436376588302e-01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:22.607645Z","wall_seconds":0.05135790299755172,"cpu_seconds":0.020000000000000018,"peak_memory_bytes":165900288,"peak_gpu_memory_bytes":null,"read_bytes":615495,"written_bytes":132103,"joules":0.1312096964363766,"idle_joules":0.07600969643637655,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:30:22.661283+00:00',7.60096964363765476013e-02);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'divide',-1,1,'airflow:01a22fa7-4db1-7258-ab1f-2be3c1fe91cf','divide','ok','done','2026-12-01T03:30:24.228759+00:00',2.43054900056449696421e-03,0.0,165052416,NULL,1897,396,3.59721252083545529887e-03,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:24.228759Z","wall_seconds":0.002430549000564497,"cpu_seconds":0.0,"peak_memory_bytes":165052416,"peak_gpu_memory_bytes":null,"read_bytes":1897,"written_bytes":396,"joules":0.0035972125208354553,"idle_joules":0.0035972125208354553,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:30:24.234156+00:00',3.59721252083545529887e-03);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'ingest',0,1,'host:24904:1796095823.82','ingest','ok','done','2026-12-01T03:30:24.913578+00:00',1.92930544002592796459e-01,1.89999999999999946709e-01,148787200,NULL,10616395,25140,8.09937205123837156151e-01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:24.913578Z","wall_seconds":0.1929305440025928,"cpu_seconds":0.18999999999999995,"peak_memory_bytes":148787200,"peak_gpu_memory_bytes":null,"read_bytes":10616395,"written_bytes":25140,"joules":0.8099372051238372,"idle_joules":0.28553720512383735,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":{"kind":"ingest","staged":[{"partition":"2026-03-02","file_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-30-23-246882-00-00-1920a4cc-d26b2068/ingest/try-1/out/2026-03-02.parquet","rows":900,"duplicates":0,"source_uri":"file://@HOME@/arrivals/machine_faults/2026-03-02.csv","source_bytes":32136,"dropped_columns":[],"bad_rows":0,"bad_rows_uri":null,"content_sha256":"2c5b72795a5997568a4a55665f7beb80e780e2b86867724f1afa6a4cb2afba72"},{"partition":"2026-03-03","file_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-30-23-246882-00-00-1920a4cc-d26b2068/ingest/try-1/out/2026-03-03.parquet","rows":900,"duplicates":0,"source_uri":"file://@HOME@/arrivals/machine_faults/2026-03-03.csv","source_bytes":32136,"dropped_columns":[],"bad_rows":0,"bad_rows_uri":null,"content_sha256":"65eced824b07ae8a8673282c9ac8f014e7bbf1530d2d88080ad05a5856e0063f"}],"absent":[]}}','2026-12-01T03:30:25.190609+00:00',2.85537205123837345421e-01);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'validate',-1,1,'host:24914:1796095824.77','validate','ok','done','2026-12-01T03:30:25.858320+00:00',3.19368407400179421529e+00,3.26,354549760,NULL,53096703,8592703,1.3724252429522653784e+01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:25.858320Z","wall_seconds":3.193684074001794,"cpu_seconds":3.26,"peak_memory_bytes":354549760,"peak_gpu_memory_bytes":null,"read_bytes":53096703,"written_bytes":8592703,"joules":13.724252429522654,"idle_joules":4.726652429522655,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":{"kind":"validate","dataset_uri":"file://@HOME@/store/datasets/machine_faults","version":2,"published":[{"partition":"2026-03-02","file_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-30-23-246882-00-00-1920a4cc-d26b2068/ingest/try-1/out/2026-03-02.parquet","rows":900,"duplicates":0,"source_uri":"file://@HOME@/arrivals/machine_faults/2026-03-02.csv","source_bytes":32136,"dropped_columns":[],"bad_rows":0,"bad_rows_uri":null,"content_sha256":"2c5b72795a5997568a4a55665f7beb80e780e2b86867724f1afa6a4cb2afba72"},{"partition":"2026-03-03","file_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-30-23-246882-00-00-1920a4cc-d26b2068/ingest/try-1/out/2026-03-03.parquet","rows":900,"duplicates":0,"source_uri":"file://@HOME@/arrivals/machine_faults/2026-03-03.csv","source_bytes":32136,"dropped_columns":[],"bad_rows":0,"bad_rows_uri":null,"content_sha256":"65eced824b07ae8a8673282c9ac8f014e7bbf1530d2d88080ad05a5856e0063f"}],"outcomes":[{"partition":"2026-03-02","expectation":"expect_table_row_count_to_be_between","column":null,"success":true,"detail":"10 rows or more"},{"partition":"2026-03-02","expectation":"expect_table_columns_to_match_set","column":null,"success":true,"detail":"the columns [''id'', ''temperature'', ''vibration'', ''load'', ''state'', ''split_'', ''partition_'']"},{"partition":"2026-03-02","expectation":"expect_column_values_to_not_be_null","column":"id","success":true,"detail":"complete"},{"partition":"2026-03-02","expectation":"expect_column_values_to_be_between","column":"id","success":true,"detail":"minimum 0"},{"partition":"2026-03-02","expectation":"expect_column_values_to_not_be_null","column":"temperature","success":true,"detail":"complete"},{"partition":"2026-03-02","expectation":"expect_column_values_to_be_between","column":"temperature","success":true,"detail":"minimum -50 and maximum 500"},{"partition":"2026-03-02","expectation":"expect_column_values_to_not_be_null","column":"vibration","success":true,"detail":"complete"},{"partition":"2026-03-02","expectation":"expect_column_values_to_be_between","column":"vibration","success":true,"detail":"minimum 0"},{"partition":"2026-03-02","expectation":"expect_column_values_to_not_be_null","column":"load","success":true,"detail":"complete"},{"partition":"2026-03-02","expectation":"expect_column_values_to_be_between","column":"load","success":true,"detail":"minimum 0 and maximum 1"},{"partition":"2026-03-02","expectation":"expect_column_values_to_not_be_null","column":"state","success":true,"detail":"complete"},{"partition":"2026-03-02","expectation":"expect_column_values_to_be_in_set","column":"state","success":true,"detail":"one of target.labels"},{"partition":"2026-03-02","expectation":"expect_column_values_to_not_be_null","column":"split_","success":true,"detail":"complete"},{"partition":"2026-03-02","expectation":"expect_column_values_to_be_in_set","column":"split_","success":true,"detail":"one of Millrace''s splits"},{"partition":"2026-03-02","expectation":"expect_column_values_to_not_be_null","column":"partition_","success":true,"detail":"complete"},{"partition":"2026-03-02","expectation":"expect_column_values_to_be_in_set","column":"label","success":true,"detail":"one of target.labels"},{"partition":"2026-03-03","expectation":"expect_table_row_count_to_be_between","column":null,"success":true,"detail":"10 rows or more"},{"partition":"2026-03-03","expectation":"expect_table_columns_to_match_set","column":null,"success":true,"detail":"the columns [''id'', ''temperature'', ''vibration'', ''load'', ''state'', ''split_'', ''partition_'']"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"id","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_between","column":"id","success":true,"detail":"minimum 0"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"temperature","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_between","column":"temperature","success":true,"detail":"minimum -50 and maximum 500"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"vibration","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_between","column":"vibration","success":true,"detail":"minimum 0"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"load","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_between","column":"load","success":true,"detail":"minimum 0 and maximum 1"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"state","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_in_set","column":"state","success":true,"detail":"one of target.labels"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"split_","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_in_set","column":"split_","success":true,"detail":"one of Millrace''s splits"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"partition_","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_in_set","column":"label","success":true,"detail":"one of target.labels"},{"partition":"2026-03-02..2026-03-03","expectation":"expect_column_values_to_be_between","column":"training_examples","success":true,"detail":"every label has an example in the training split"},{"partition":"2026-03-02..2026-03-03","expectation":"expect_column_values_to_be_between","column":"share_change","success":true,"detail":"a label''s share of rows differs by at most 0.2 from the live version''s"}],"docs_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-30-23-246882-00-00-1920a4cc-d26b2068/validate/try-1/out/docs/index.html","profiles":{"2026-03-02":{"rows":900,"bytes":37052,"rows_by_split":{"test":197,"train":588,"validation":115},"label_counts":{"broken":300,"well":300,"worn":300},"train_label_counts":{"broken":197,"well":195,"worn":196},"token_lengths":null},"2026-03-03":{"rows":900,"bytes":37052,"rows_by_split":{"test":149,"train":650,"validation":101},"label_counts":{"broken":300,"well":300,"worn":300},"train_label_counts":{"broken":217,"well":216,"worn":217},"token_lengths":null}}}}','2026-12-01T03:30:29.086999+00:00',4.72665242952265529652e+00);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'size',-1,1,'airflow:01a22fa7-4db5-7981-b162-6d53316ea927','size','ok','done','2026-12-01T03:30:29.668127+00:00',1.66148300013446714729e-02,9.99999999999999500399e-03,162635776,NULL,311337,117453,0.0521899484019901,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:29.668127Z","wall_seconds":0.01661483000134467,"cpu_seconds":0.009999999999999995,"peak_memory_bytes":162635776,"peak_gpu_memory_bytes":null,"read_bytes":311337,"written_bytes":117453,"joules":0.0521899484019901,"idle_joules":0.024589948401990115,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:30:29.689423+00:00',2.45899484019901151676e-02);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'train',-1,1,'host:24951:1796095829.50','train','ok','done','2026-12-01T03:30:30.545687+00:00',4.57337424299839767627e+00,4.65,940732416,NULL,87925811,195993,1.96025938796376273387e+01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:30.545687Z","wall_seconds":4.573374242998398,"cpu_seconds":4.65,"peak_memory_bytes":940732416,"peak_gpu_memory_bytes":null,"read_bytes":87925811,"written_bytes":195993,"joules":19.602593879637627,"idle_joules":6.768593879637629,"energy_method":"estimated","energy_coverage":0.0,"phases":[{"phase":"load","wall_seconds":3.724023574999592,"cpu_seconds":3.7900000000000005,"joules":15.971954890999395,"idle_joules":5.511554890999395,"energy_coverage":0.0},{"phase":"train","wall_seconds":0.6913004900015949,"cpu_seconds":0.6699999999999999,"joules":2.8723247252023603,"idle_joules":1.0231247252023603,"energy_coverage":0.0},{"phase":"evaluate","wall_seconds":0.038092492999567185,"cpu_seconds":0.040000000000000036,"joules":0.16677688963935952,"idle_joules":0.05637688963935943,"energy_coverage":0.0},{"phase":"export","wall_seconds":0.013162679999368265,"cpu_seconds":0.0,"joules":0.01948076639906503,"idle_joules":0.01948076639906503,"energy_coverage":0.0}]},"result":{"kind":"train","trained_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-30-23-246882-00-00-1920a4cc-d26b2068/train/try-1/out/trained","trained_sha256":"7b1beee38b29444f4c1d733f8ee1e769dcd7ae3abfa5514d94cc924f86a9afda","losses":[0.45956415568406767,0.04248458374506579,0.030939671034829166],"rows":1238,"steps":117,"tokens":null,"resumed_from_step":null,"thresholds":[0.0,0.0,0.0],"validation_micro_f1":0.9861111111111112,"rows_per_second":17042.537913780863}}','2026-12-01T03:30:35.216132+00:00',6.76859387963762859641e+00);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'export',-1,1,'host:24991:1796095834.77','export','ok','done','2026-12-01T03:30:35.810317+00:00',4.05546099200000753626e+00,4.18999999999999950262e+00,966619136,NULL,89812509,49838,1.75664822681600085729e+01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:35.810317Z","wall_seconds":4.0554609920000075,"cpu_seconds":4.1899999999999995,"peak_memory_bytes":966619136,"peak_gpu_memory_bytes":null,"read_bytes":89812509,"written_bytes":49838,"joules":17.56648226816001,"idle_joules":6.002082268160011,"energy_method":"estimated","energy_coverage":0.0,"phases":[{"phase":"load","wall_seconds":3.63007269100126,"cpu_seconds":3.7000000000000006,"joules":15.584507582681866,"idle_joules":5.372507582681864,"energy_coverage":0.0},{"phase":"export","wall_seconds":0.19681142400077078,"cpu_seconds":0.19999999999999885,"joules":0.8432809075211375,"idle_joules":0.2912809075211408,"energy_coverage":0.0},{"phase":"evaluate","wall_seconds":0.13000780299989856,"cpu_seconds":0.16000000000000014,"joules":0.6340115484398503,"idle_joules":0.19241154843984987,"energy_coverage":0.0}]},"result":{"kind":"export","model":{"workload":"machine_faults","version":"v-8567daefbb65","uri":"file://@HOME@/store/models/machine_faults/v-8567daefbb65","manifest_sha256":"8567daefbb65b5de7e21a6b8180c6acfae3aead91315ef0913d93ca768c6df27"},"export_error":1e-6,"export_tolerance":0.0001,"bytes":20597}}','2026-12-01T03:30:39.966588+00:00',6.00208226816001122472e+00);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'evaluate',-1,1,'host:25042:1796095839.46','evaluate','ok','done','2026-12-01T03:30:40.500506+00:00',2.26793728600023314356e+00,2.40999999999999969801e+00,316338176,NULL,50746539,78455,1.00081471832803430292e+01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:40.500506Z","wall_seconds":2.267937286000233,"cpu_seconds":2.4099999999999997,"peak_memory_bytes":316338176,"peak_gpu_memory_bytes":null,"read_bytes":50746539,"written_bytes":78455,"joules":10.008147183280343,"idle_joules":3.356547183280345,"energy_method":"estimated","energy_coverage":0.0,"phases":[{"phase":"load","wall_seconds":0.23955097399812075,"cpu_seconds":0.21999999999999997,"joules":0.9617354415172186,"idle_joules":0.3545354415172187,"energy_coverage":0.0},{"phase":"evaluate","wall_seconds":1.9200439220003318,"cpu_seconds":2.04,"joules":8.472065004560491,"idle_joules":2.841665004560491,"energy_coverage":0.0}]},"result":{"kind":"evaluate","candidate":{"model":{"workload":"machine_faults","version":"v-8567daefbb65","uri":"file://@HOME@/store/models/machine_faults/v-8567daefbb65","manifest_sha256":"8567daefbb65b5de7e21a6b8180c6acfae3aead91315ef0913d93ca768c6df27"},"rows":346,"micro_f1":0.9826589595375722,"macro_f1":0.9825607101821204,"calibration_error":0.01710053985518527,"labels":[{"label":"well","support":117,"precision":0.9915254237288136,"recall":1.0,"f1":0.9957446808510638},{"label":"worn","support":117,"precision":0.9743589743589743,"recall":0.9743589743589743,"f1":0.9743589743589743},{"label":"broken","support":112,"precision":0.9819819819819819,"recall":0.9732142857142857,"f1":0.9775784753363229}],"serving":{"requests":200,"p50_latency_seconds":0.000030215000151656568,"p99_latency_seconds":0.00015723498116130186,"joules_per_request":0.00022562889821591684,"energy_method":"estimated","peak_memory_bytes":116383744}},"live":{"model":{"workload":"machine_faults","version":"v-2b429439678b","uri":"file://@HOME@/store/models/machine_faults/v-2b429439678b","manifest_sha256":"2b429439678b40c1836b30de029c34a8c5caab479b48d0538b4a11e9e8d5ed0d"},"rows":346,"micro_f1":0.976878612716763,"macro_f1":0.9767083559167085,"calibration_error":0.03714218029397071,"labels":[{"label":"well","support":117,"precision":0.9915254237288136,"recall":1.0,"f1":0.9957446808510638},{"label":"worn","support":117,"precision":0.9823008849557522,"recall":0.9487179487179487,"f1":0.9652173913043478},{"label":"broken","support":112,"precision":0.9565217391304348,"recall":0.9821428571428571,"f1":0.9691629955947136}],"serving":{"requests":200,"p50_latency_seconds":0.0000305499997921288,"p99_latency_seconds":0.000111863806778274,"joules_per_request":0.00019608614459674586,"energy_method":"estimated","peak_memory_bytes":116367360}},"baseline":{"micro_f1":0.9797687861271677,"threshold":0.0,"seconds":0.9760474210015673},"replay_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-30-23-246882-00-00-1920a4cc-d26b2068/evaluate/try-1/out/replay.jsonl"}}','2026-12-01T03:30:42.841768+00:00',3.35654718328034507024e+00);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'gate',-1,1,'airflow:01a22fa7-4dba-7914-8b96-18c9e772f666','gate','ok','done','2026-12-01T03:30:43.092725+00:00',8.16110899904742836952e-03,2.00000000000000177635e-02,162136064,NULL,92801,11632,6.72784413185902457898e-02,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:43.092725Z","wall_seconds":0.008161108999047428,"cpu_seconds":0.020000000000000018,"peak_memory_bytes":162136064,"peak_gpu_memory_bytes":null,"read_bytes":92801,"written_bytes":11632,"joules":0.06727844131859025,"idle_joules":0.012078441318590195,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:30:43.105662+00:00',1.20784413185901946807e-02);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'roll_out',-1,1,'airflow:01a22fa7-4dbc-7e46-af32-76a77df5e4b8','roll_out','ok','done','2026-12-01T03:30:43.378571+00:00',4.37044195300040883012e+00,0.17,168652800,NULL,620855,5377,6.93745409044060501457e+00,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:43.378571Z","wall_seconds":4.370441953000409,"cpu_seconds":0.17,"peak_memory_bytes":168652800,"peak_gpu_memory_bytes":null,"read_bytes":620855,"written_bytes":5377,"joules":6.937454090440605,"idle_joules":6.468254090440605,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:30:47.754440+00:00',6.46825409044060517516e+00);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'watch',-1,1,'airflow:01a22fa7-4dbd-71cf-8b24-5b28447707d6','watch','ok','done','2026-12-01T03:30:48.096471+00:00',2.86926295699959155172e+00,0.12,168656896,NULL,496481,42676,4.57770917635939511569e+00,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:48.096471Z","wall_seconds":2.8692629569995916,"cpu_seconds":0.12,"peak_memory_bytes":168656896,"peak_gpu_memory_bytes":null,"read_bytes":496481,"written_bytes":42676,"joules":4.577709176359395,"idle_joules":4.246509176359395,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:30:50.969723+00:00',4.2465091763593951768e+00);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:23.246882+00:00_1920a4cc',0,'close',-1,1,'airflow:01a22fa7-4dbe-7459-9ab6-e9622e8f1161','close','ok','done','2026-12-01T03:30:51.281318+00:00',5.51703000019188039004e-02,4.00000000000000077715e-02,166043648,NULL,642775,132103,1.9205204400283984456e-01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:51.281318Z","wall_seconds":0.055170300001918804,"cpu_seconds":0.04000000000000001,"peak_memory_bytes":166043648,"peak_gpu_memory_bytes":null,"read_bytes":642775,"written_bytes":132103,"joules":0.19205204400283984,"idle_joules":0.08165204400283983,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:30:51.339825+00:00',8.16520440028398325482e-02);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:51.602770+00:00_a65c477b',0,'divide',-1,1,'airflow:01a22fa7-bc75-76e7-9f25-126214c5f411','divide','ok','done','2026-12-01T03:30:52.221654+00:00',1.4156889992591459304e-03,0.0,162193408,NULL,1894,0,2.09521971890353582088e-03,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:52.221654Z","wall_seconds":0.001415688999259146,"cpu_seconds":0.0,"peak_memory_bytes":162193408,"peak_gpu_memory_bytes":null,"read_bytes":1894,"written_bytes":0,"joules":0.002095219718903536,"idle_joules":0.002095219718903536,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:30:52.225729+00:00',2.09521971890353582088e-03);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:51.602770+00:00_a65c477b',0,'ingest',0,1,'host:25303:1796095851.69','ingest','skipped','no new data: no file of arrivals from 2025-01-01 to 2025-01-01','2026-12-01T03:30:52.791605+00:00',1.60817399955703876912e-03,0.0,92438528,NULL,1868,66,2.38009751934441715279e-03,'estimated',0.0,'{"schema_version":1,"outcome":"skipped","reason":"no new data: no file of arrivals from 2025-01-01 to 2025-01-01","error":null,"meter":{"started_at":"2026-12-01T03:30:52.791605Z","wall_seconds":0.0016081739995570388,"cpu_seconds":0.0,"peak_memory_bytes":92438528,"peak_gpu_memory_bytes":null,"read_bytes":1868,"written_bytes":66,"joules":0.002380097519344417,"idle_joules":0.002380097519344417,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":{"kind":"ingest","staged":[],"absent":["2025-01-01"]}}','2026-12-01T03:30:52.863601+00:00',2.38009751934441715279e-03);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:51.602770+00:00_a65c477b',0,'close',-1,1,'airflow:01a22fa7-bc82-756d-97c3-61dd30e675ad','close','ok','done','2026-12-01T03:30:54.528730+00:00',3.80360060007660649716e-02,1.99999999999999900079e-02,166125568,NULL,313723,99118,1.11493288881133745249e-01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:54.528730Z","wall_seconds":0.038036006000766065,"cpu_seconds":0.01999999999999999,"peak_memory_bytes":166125568,"peak_gpu_memory_bytes":null,"read_bytes":313723,"written_bytes":99118,"joules":0.11149328888113375,"idle_joules":0.056293288881133774,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:30:54.569184+00:00',5.62932888811337739376e-02);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:54.752086+00:00_8ca827f7',0,'divide',-1,1,'airflow:01a22fa7-c8c1-7c90-9ac4-ef0894b2ae83','divide','ok','done','2026-12-01T03:30:55.172911+00:00',1.35090999901876784861e-03,0.0,162074624,NULL,1893,0,1.99934679854777645063e-03,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:55.172911Z","wall_seconds":0.0013509099990187678,"cpu_seconds":0.0,"peak_memory_bytes":162074624,"peak_gpu_memory_bytes":null,"read_bytes":1893,"written_bytes":0,"joules":0.0019993467985477765,"idle_joules":0.0019993467985477765,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:30:55.176989+00:00',1.99934679854777645063e-03);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:54.752086+00:00_8ca827f7',0,'ingest',0,1,'host:25355:1796095854.79','ingest','ok','done','2026-12-01T03:30:55.904958+00:00',2.14928608002082910388e-01,2.19999999999999973354e-01,146722816,NULL,10584255,12549,9.25294339843082624952e-01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:55.904958Z","wall_seconds":0.2149286080020829,"cpu_seconds":0.21999999999999997,"peak_memory_bytes":146722816,"peak_gpu_memory_bytes":null,"read_bytes":10584255,"written_bytes":12549,"joules":0.9252943398430826,"idle_joules":0.3180943398430827,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":{"kind":"ingest","staged":[{"partition":"2026-03-03","file_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-30-54-752086-00-00-8ca827f7-01892d97/ingest/try-1/out/2026-03-03.parquet","rows":900,"duplicates":0,"source_uri":"file://@HOME@/arrivals/machine_faults/2026-03-03.csv","source_bytes":32136,"dropped_columns":[],"bad_rows":0,"bad_rows_uri":null,"content_sha256":"65eced824b07ae8a8673282c9ac8f014e7bbf1530d2d88080ad05a5856e0063f"}],"absent":[]}}','2026-12-01T03:30:56.168609+00:00',3.18094339843082718477e-01);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:54.752086+00:00_8ca827f7',0,'validate',-1,1,'host:25364:1796095855.63','validate','ok','done','2026-12-01T03:30:56.759264+00:00',3.13338356299937,3.19000000000000039079e+00,323497984,NULL,52729643,8441285,1.34418076732390687764e+01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:30:56.759264Z","wall_seconds":3.13338356299937,"cpu_seconds":3.1900000000000004,"peak_memory_bytes":323497984,"peak_gpu_memory_bytes":null,"read_bytes":52729643,"written_bytes":8441285,"joules":13.441807673239069,"idle_joules":4.637407673239068,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":{"kind":"validate","dataset_uri":"file://@HOME@/store/datasets/machine_faults","version":2,"published":[{"partition":"2026-03-03","file_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-30-54-752086-00-00-8ca827f7-01892d97/ingest/try-1/out/2026-03-03.parquet","rows":900,"duplicates":0,"source_uri":"file://@HOME@/arrivals/machine_faults/2026-03-03.csv","source_bytes":32136,"dropped_columns":[],"bad_rows":0,"bad_rows_uri":null,"content_sha256":"65eced824b07ae8a8673282c9ac8f014e7bbf1530d2d88080ad05a5856e0063f"}],"outcomes":[{"partition":"2026-03-03","expectation":"expect_table_row_count_to_be_between","column":null,"success":true,"detail":"10 rows or more"},{"partition":"2026-03-03","expectation":"expect_table_columns_to_match_set","column":null,"success":true,"detail":"the columns [''id'', ''temperature'', ''vibration'', ''load'', ''state'', ''split_'', ''partition_'']"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"id","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_between","column":"id","success":true,"detail":"minimum 0"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"temperature","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_between","column":"temperature","success":true,"detail":"minimum -50 and maximum 500"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"vibration","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_between","column":"vibration","success":true,"detail":"minimum 0"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"load","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_between","column":"load","success":true,"detail":"minimum 0 and maximum 1"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"state","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_in_set","column":"state","success":true,"detail":"one of target.labels"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"split_","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_in_set","column":"split_","success":true,"detail":"one of Millrace''s splits"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"partition_","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_in_set","column":"label","success":true,"detail":"one of target.labels"},{"partition":"2026-03-03..2026-03-03","expectation":"expect_column_values_to_be_between","column":"training_examples","success":true,"detail":"every label has an example in the training split"},{"partition":"2026-03-03..2026-03-03","expectation":"expect_column_values_to_be_between","column":"share_change","success":true,"detail":"a label''s share of rows differs by at most 0.2 from the live version''s"}],"docs_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-30-54-752086-00-00-8ca827f7-01892d97/validate/try-1/out/docs/index.html","profiles":{"2026-03-03":{"rows":900,"bytes":37052,"rows_by_split":{"test":149,"train":650,"validation":101},"label_counts":{"broken":300,"well":300,"worn":300},"train_label_counts":{"broken":217,"well":216,"worn":217},"token_lengths":null}}}}','2026-12-01T03:30:59.920676+00:00',4.6374076732390676625e+00);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:54.752086+00:00_8ca827f7',0,'size',-1,1,'airflow:01a22fa7-c8c5-7f92-a387-0b93142cbfdc','size','ok','done','2026-12-01T03:31:00.497421+00:00',1.78199980000499635934e-02,9.99999999999999500399e-03,162623488,NULL,303145,109237,5.39735970400739284436e-02,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:31:00.497421Z","wall_seconds":0.017819998000049964,"cpu_seconds":0.009999999999999995,"peak_memory_bytes":162623488,"peak_gpu_memory_bytes":null,"read_bytes":303145,"written_bytes":109237,"joules":0.05397359704007393,"idle_joules":0.026373597040073946,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:31:00.517705+00:00',2.63735970400739462571e-02);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:54.752086+00:00_8ca827f7',0,'train',-1,1,'airflow:01a22fa7-c8c7-769c-8acd-e05fc205fbb0','train','skipped','dry run: the plan is in the ledger, nothing is trained','2026-12-01T03:31:01.104509+00:00',5.92596999922534450888e-03,0.0,161927168,NULL,1892,0,0.00877043559885351,'estimated',0.0,'{"schema_version":1,"outcome":"skipped","reason":"dry run: the plan is in the ledger, nothing is trained","error":null,"meter":{"started_at":"2026-12-01T03:31:01.104509Z","wall_seconds":0.0059259699992253445,"cpu_seconds":0.0,"peak_memory_bytes":161927168,"peak_gpu_memory_bytes":null,"read_bytes":1892,"written_bytes":0,"joules":0.00877043559885351,"idle_joules":0.00877043559885351,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:31:01.116316+00:00',0.00877043559885351);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:30:54.752086+00:00_8ca827f7',0,'close',-1,1,'airflow:01a22fa7-c8ce-7ddd-8369-3f252b231a88','close','ok','done','2026-12-01T03:31:02.204913+00:00',3.51823990022239740937e-02,2.99999999999999850119e-02,165986304,NULL,403083,107366,1.34869950523291426414e-01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:31:02.204913Z","wall_seconds":0.035182399002223974,"cpu_seconds":0.029999999999999985,"peak_memory_bytes":165986304,"peak_gpu_memory_bytes":null,"read_bytes":403083,"written_bytes":107366,"joules":0.13486995052329143,"idle_joules":0.05206995052329148,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:31:02.242650+00:00',5.20699505232914833241e-02);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:31:02.550305+00:00_80298473',0,'divide',-1,1,'airflow:01a22fa7-e737-77fa-9d88-da6007bb9a2a','divide','ok','done','2026-12-01T03:31:03.241683+00:00',4.85352699979557655751e-03,0.0,161947648,NULL,1894,0,7.1832199596974528194e-03,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:31:03.241683Z","wall_seconds":0.0048535269997955766,"cpu_seconds":0.0,"peak_memory_bytes":161947648,"peak_gpu_memory_bytes":null,"read_bytes":1894,"written_bytes":0,"joules":0.007183219959697453,"idle_joules":0.007183219959697453,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:31:03.249697+00:00',7.1832199596974528194e-03);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:31:02.550305+00:00_80298473',0,'ingest',0,1,'host:25406:1796095862.82','ingest','ok','done','2026-12-01T03:31:03.926565+00:00',2.15070246002142084762e-01,2.09999999999999964472e-01,146694144,NULL,10584255,12549,8.97903964083170191834e-01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:31:03.926565Z","wall_seconds":0.21507024600214208,"cpu_seconds":0.20999999999999996,"peak_memory_bytes":146694144,"peak_gpu_memory_bytes":null,"read_bytes":10584255,"written_bytes":12549,"joules":0.8979039640831702,"idle_joules":0.3183039640831703,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":{"kind":"ingest","staged":[{"partition":"2026-03-03","file_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-31-02-550305-00-00-80298473-41971b68/ingest/try-1/out/2026-03-03.parquet","rows":900,"duplicates":0,"source_uri":"file://@HOME@/arrivals/machine_faults/2026-03-03.csv","source_bytes":32136,"dropped_columns":[],"bad_rows":0,"bad_rows_uri":null,"content_sha256":"65eced824b07ae8a8673282c9ac8f014e7bbf1530d2d88080ad05a5856e0063f"}],"absent":[]}}','2026-12-01T03:31:04.194308+00:00',3.18303964083170298771e-01);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:31:02.550305+00:00_80298473',0,'validate',-1,1,'host:25415:1796095863.72','validate','ok','done','2026-12-01T03:31:04.845688+00:00',3.18111919399962062016e+00,3.17,323481600,NULL,52729637,8441277,1.34572564071194378243e+01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:31:04.845688Z","wall_seconds":3.1811191939996206,"cpu_seconds":3.17,"peak_memory_bytes":323481600,"peak_gpu_memory_bytes":null,"read_bytes":52729637,"written_bytes":8441277,"joules":13.457256407119438,"idle_joules":4.708056407119439,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":{"kind":"validate","dataset_uri":"file://@HOME@/store/datasets/machine_faults","version":2,"published":[{"partition":"2026-03-03","file_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-31-02-550305-00-00-80298473-41971b68/ingest/try-1/out/2026-03-03.parquet","rows":900,"duplicates":0,"source_uri":"file://@HOME@/arrivals/machine_faults/2026-03-03.csv","source_bytes":32136,"dropped_columns":[],"bad_rows":0,"bad_rows_uri":null,"content_sha256":"65eced824b07ae8a8673282c9ac8f014e7bbf1530d2d88080ad05a5856e0063f"}],"outcomes":[{"partition":"2026-03-03","expectation":"expect_table_row_count_to_be_between","column":null,"success":true,"detail":"10 rows or more"},{"partition":"2026-03-03","expectation":"expect_table_columns_to_match_set","column":null,"success":true,"detail":"the columns [''id'', ''temperature'', ''vibration'', ''load'', ''state'', ''split_'', ''partition_'']"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"id","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_between","column":"id","success":true,"detail":"minimum 0"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"temperature","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_between","column":"temperature","success":true,"detail":"minimum -50 and maximum 500"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"vibration","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_between","column":"vibration","success":true,"detail":"minimum 0"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"load","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_between","column":"load","success":true,"detail":"minimum 0 and maximum 1"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"state","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_in_set","column":"state","success":true,"detail":"one of target.labels"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"split_","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_in_set","column":"split_","success":true,"detail":"one of Millrace''s splits"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"partition_","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_in_set","column":"label","success":true,"detail":"one of target.labels"},{"partition":"2026-03-03..2026-03-03","expectation":"expect_column_values_to_be_between","column":"training_examples","success":true,"detail":"every label has an example in the training split"},{"partition":"2026-03-03..2026-03-03","expectation":"expect_column_values_to_be_between","column":"share_change","success":true,"detail":"a label''s share of rows differs by at most 0.2 from the live version''s"}],"docs_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-31-02-550305-00-00-80298473-41971b68/validate/try-1/out/docs/index.html","profiles":{"2026-03-03":{"rows":900,"bytes":37052,"rows_by_split":{"test":149,"train":650,"validation":101},"label_counts":{"broken":300,"well":300,"worn":300},"train_label_counts":{"broken":217,"well":216,"worn":217},"token_lengths":null}}}}','2026-12-01T03:31:08.121021+00:00',4.70805640711943862442e+00);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:31:02.550305+00:00_80298473',0,'size',-1,1,'airflow:01a22fa7-e73b-78ee-a749-e27ab3bd1cf4','size','ok','done','2026-12-01T03:31:08.722985+00:00',2.180179499919177033e-02,2.00000000000000038857e-02,162660352,NULL,307241,109237,8.74666565988038158252e-02,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:31:08.722985Z","wall_seconds":0.02180179499919177,"cpu_seconds":0.020000000000000004,"peak_memory_bytes":162660352,"peak_gpu_memory_bytes":null,"read_bytes":307241,"written_bytes":109237,"joules":0.08746665659880382,"idle_joules":0.03226665659880382,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:31:08.748339+00:00',3.22666565988038167578e-02);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:31:02.550305+00:00_80298473',0,'train',-1,1,'airflow:01a22fa7-e73d-7dfe-9821-387d9237dda6','train','skipped','asked not to train: the data is published','2026-12-01T03:31:09.330271+00:00',1.12322999848402105271e-03,0.0,161947648,NULL,1893,0,1.66238039775635105393e-03,'estimated',0.0,'{"schema_version":1,"outcome":"skipped","reason":"asked not to train: the data is published","error":null,"meter":{"started_at":"2026-12-01T03:31:09.330271Z","wall_seconds":0.001123229998484021,"cpu_seconds":0.0,"peak_memory_bytes":161947648,"peak_gpu_memory_bytes":null,"read_bytes":1893,"written_bytes":0,"joules":0.001662380397756351,"idle_joules":0.001662380397756351,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:31:09.334366+00:00',1.66238039775635105393e-03);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:31:02.550305+00:00_80298473',0,'close',-1,1,'airflow:01a22fa7-e744-7f6e-9b46-9d3897b9af14','close','ok','done','2026-12-01T03:31:10.386111+00:00',3.67402390002098400145e-02,0.03,165777408,NULL,419461,107353,1.37175553720310539063e-01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:31:10.386111Z","wall_seconds":0.03674023900020984,"cpu_seconds":0.03,"peak_memory_bytes":165777408,"peak_gpu_memory_bytes":null,"read_bytes":419461,"written_bytes":107353,"joules":0.13717555372031054,"idle_joules":0.05437555372031056,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:31:10.427404+00:00',5.43755537203105612786e-02);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:31:10.871663+00:00_abdc0fad',0,'divide',-1,1,'airflow:01a22fa8-07b8-7ffd-a7dd-1fd5c7ab921f','divide','ok','done','2026-12-01T03:31:11.221719+00:00',4.65226300002541393041e-03,0.0,162140160,NULL,1894,0,6.88534924003761285987e-03,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:31:11.221719Z","wall_seconds":0.004652263000025414,"cpu_seconds":0.0,"peak_memory_bytes":162140160,"peak_gpu_memory_bytes":null,"read_bytes":1894,"written_bytes":0,"joules":0.006885349240037613,"idle_joules":0.006885349240037613,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:31:11.229335+00:00',6.88534924003761285987e-03);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:31:10.871663+00:00_abdc0fad',0,'ingest',0,1,'host:25456:1796095870.78','ingest','ok','done','2026-12-01T03:31:11.948605+00:00',1.9180057699850294739e-01,0.2,146698240,NULL,10584255,12549,8.35864853957784315063e-01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:31:11.948605Z","wall_seconds":0.19180057699850295,"cpu_seconds":0.2,"peak_memory_bytes":146698240,"peak_gpu_memory_bytes":null,"read_bytes":10584255,"written_bytes":12549,"joules":0.8358648539577843,"idle_joules":0.2838648539577844,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":{"kind":"ingest","staged":[{"partition":"2026-03-03","file_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-31-10-871663-00-00-abdc0fad-fc50c5df/ingest/try-1/out/2026-03-03.parquet","rows":900,"duplicates":0,"source_uri":"file://@HOME@/arrivals/machine_faults/2026-03-03.csv","source_bytes":32136,"dropped_columns":[],"bad_rows":0,"bad_rows_uri":null,"content_sha256":"65eced824b07ae8a8673282c9ac8f014e7bbf1530d2d88080ad05a5856e0063f"}],"absent":[]}}','2026-12-01T03:31:12.156924+00:00',2.838648539577843799e-01);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:31:10.871663+00:00_abdc0fad',0,'validate',-1,1,'host:25465:1796095871.64','validate','ok','done','2026-12-01T03:31:12.720744+00:00',3.02077846100291935727e+00,3.12,323502080,NULL,52727758,8441285,1.30819521222843206944e+01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:31:12.720744Z","wall_seconds":3.0207784610029194,"cpu_seconds":3.12,"peak_memory_bytes":323502080,"peak_gpu_memory_bytes":null,"read_bytes":52727758,"written_bytes":8441285,"joules":13.08195212228432,"idle_joules":4.4707521222843205,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":{"kind":"validate","dataset_uri":"file://@HOME@/store/datasets/machine_faults","version":2,"published":[{"partition":"2026-03-03","file_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-31-10-871663-00-00-abdc0fad-fc50c5df/ingest/try-1/out/2026-03-03.parquet","rows":900,"duplicates":0,"source_uri":"file://@HOME@/arrivals/machine_faults/2026-03-03.csv","source_bytes":32136,"dropped_columns":[],"bad_rows":0,"bad_rows_uri":null,"content_sha256":"65eced824b07ae8a8673282c9ac8f014e7bbf1530d2d88080ad05a5856e0063f"}],"outcomes":[{"partition":"2026-03-03","expectation":"expect_table_row_count_to_be_between","column":null,"success":true,"detail":"10 rows or more"},{"partition":"2026-03-03","expectation":"expect_table_columns_to_match_set","column":null,"success":true,"detail":"the columns [''id'', ''temperature'', ''vibration'', ''load'', ''state'', ''split_'', ''partition_'']"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"id","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_between","column":"id","success":true,"detail":"minimum 0"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"temperature","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_between","column":"temperature","success":true,"detail":"minimum -50 and maximum 500"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"vibration","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_between","column":"vibration","success":true,"detail":"minimum 0"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"load","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_between","column":"load","success":true,"detail":"minimum 0 and maximum 1"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"state","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_in_set","column":"state","success":true,"detail":"one of target.labels"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"split_","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_in_set","column":"split_","success":true,"detail":"one of Millrace''s splits"},{"partition":"2026-03-03","expectation":"expect_column_values_to_not_be_null","column":"partition_","success":true,"detail":"complete"},{"partition":"2026-03-03","expectation":"expect_column_values_to_be_in_set","column":"label","success":true,"detail":"one of target.labels"},{"partition":"2026-03-03..2026-03-03","expectation":"expect_column_values_to_be_between","column":"training_examples","success":true,"detail":"every label has an example in the training split"},{"partition":"2026-03-03..2026-03-03","expectation":"expect_column_values_to_be_between","column":"share_change","success":true,"detail":"a label''s share of rows differs by at most 0.2 from the live version''s"}],"docs_uri":"file://@HOME@/store/runs/machine_faults/manual-2026-12-01T03-31-10-871663-00-00-abdc0fad-fc50c5df/validate/try-1/out/docs/index.html","profiles":{"2026-03-03":{"rows":900,"bytes":37052,"rows_by_split":{"test":149,"train":650,"validation":101},"label_counts":{"broken":300,"well":300,"worn":300},"train_label_counts":{"broken":217,"well":216,"worn":217},"token_lengths":null}}}}','2026-12-01T03:31:15.837321+00:00',4.47075212228432050665e+00);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:31:10.871663+00:00_abdc0fad',0,'size',-1,1,'airflow:01a22fa8-07bc-7cb5-838e-eef4b39212e0','size','ok','done','2026-12-01T03:31:16.386316+00:00',1.54795270027534570544e-02,1.99999999999999900079e-02,162562048,NULL,311336,109237,7.81096999640750883076e-02,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:31:16.386316Z","wall_seconds":0.015479527002753457,"cpu_seconds":0.01999999999999999,"peak_memory_bytes":162562048,"peak_gpu_memory_bytes":null,"read_bytes":311336,"written_bytes":109237,"joules":0.07810969996407509,"idle_joules":0.022909699964075117,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:31:16.408310+00:00',2.29096999640751169957e-02);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:31:10.871663+00:00_abdc0fad',0,'train',-1,1,'airflow:01a22fa8-07be-7a49-a114-34a703d32aea','train','failed','2 workers on one machine','2026-12-01T03:31:16.976181+00:00',1.1687550031638238579e-03,0.0,165523456,NULL,1896,550,1.72975740468245937041e-03,'estimated',0.0,'{"schema_version":1,"outcome":"failed","reason":"2 workers on one machine","error":{"type":"BadInputError","what":"2 workers on one machine","where":"parameters.workers","rule":"several workers are pods, of MILLRACE_LAUNCHER=kubernetes","remedy":"ask for one worker, or run this workload on a cluster","exit_code":10},"meter":{"started_at":"2026-12-01T03:31:16.976181Z","wall_seconds":0.0011687550031638239,"cpu_seconds":0.0,"peak_memory_bytes":165523456,"peak_gpu_memory_bytes":null,"read_bytes":1896,"written_bytes":550,"joules":0.0017297574046824594,"idle_joules":0.0017297574046824594,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:31:16.980076+00:00',1.72975740468245937041e-03);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:31:10.871663+00:00_abdc0fad',0,'close',-1,1,'airflow:01a22fa8-07c5-785d-8d86-556c55d67422','close','ok','done','2026-12-01T03:31:18.850522+00:00',4.15608900002553127706e-02,2.00000000000000038857e-02,166060032,NULL,427884,107342,1.16710117200377869184e-01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:31:18.850522Z","wall_seconds":0.04156089000025531,"cpu_seconds":0.020000000000000004,"peak_memory_bytes":166060032,"peak_gpu_memory_bytes":null,"read_bytes":427884,"written_bytes":107342,"joules":0.11671011720037787,"idle_joules":0.06151011720037786,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:31:18.894439+00:00',6.1510117200377863178e-02);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:31:19.190364+00:00_1df71540',0,'divide',-1,1,'airflow:01a22fa8-2836-765c-97dd-7e32b1288d47','divide','ok','done','2026-12-01T03:31:20.288977+00:00',1.37686100060818716883e-03,0.0,162050048,NULL,1894,0,2.03775428090011709661e-03,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:31:20.288977Z","wall_seconds":0.0013768610006081872,"cpu_seconds":0.0,"peak_memory_bytes":162050048,"peak_gpu_memory_bytes":null,"read_bytes":1894,"written_bytes":0,"joules":0.002037754280900117,"idle_joules":0.002037754280900117,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:31:20.293095+00:00',2.03775428090011709661e-03);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:31:19.190364+00:00_1df71540',0,'ingest',0,1,'host:25531:1796095879.93','ingest','failed','a value is not one of the 3 of target.labels','2026-12-01T03:31:21.164018+00:00',2.54531211998255457729e-01,0.19,140820480,NULL,10584264,801,9.01106193757418072465e-01,'estimated',0.0,'{"schema_version":1,"outcome":"failed","reason":"a value is not one of the 3 of target.labels","error":{"type":"BadInputError","what":"a value is not one of the 3 of target.labels","where":"file://@HOME@/arrivals/machine_faults/2026-03-04.csv, row 40, field ''state''","rule":"values of target.labels only (rows count from 1, headers and blank lines apart)","remedy":"correct the row, or add the label to the workload","exit_code":10},"meter":{"started_at":"2026-12-01T03:31:21.164018Z","wall_seconds":0.25453121199825546,"cpu_seconds":0.19,"peak_memory_bytes":140820480,"peak_gpu_memory_bytes":null,"read_bytes":10584264,"written_bytes":801,"joules":0.9011061937574181,"idle_joules":0.3767061937574181,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:31:21.529138+00:00',3.76706193757418095202e-01);
INSERT INTO "tries" VALUES('machine_faults','manual__2026-12-01T03:31:19.190364+00:00_1df71540',0,'close',-1,1,'airflow:01a22fa8-2843-7387-b6e2-2439a8c8284b','close','ok','done','2026-12-01T03:31:24.092865+00:00',5.15934050017676781862e-02,1.00000000000000088817e-02,165867520,NULL,342928,99107,1.03958239402616184343e-01,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:31:24.092865Z","wall_seconds":0.05159340500176768,"cpu_seconds":0.010000000000000009,"peak_memory_bytes":165867520,"peak_gpu_memory_bytes":null,"read_bytes":342928,"written_bytes":99107,"joules":0.10395823940261618,"idle_joules":0.07635823940261616,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:31:24.148219+00:00',7.63582394026161570543e-02);
INSERT INTO "tries" VALUES('machine_faults','backfill__2026-03-06T00:00:00+00:00',0,'divide',-1,1,'airflow:01a22fa8-812e-746f-9cbf-04152093b354','divide','skipped','the backfill''s budget of 1e-06 kWh does not hold this run''s 2.12e-05: its other runs take 0, and the whole was priced 0.0001199; not approved, by admin','2026-12-01T03:31:46.200510+00:00',1.24569100080407224595e-03,0.0,161968128,NULL,1893,0,1.84362268119002696738e-03,'estimated',0.0,'{"schema_version":1,"outcome":"skipped","reason":"the backfill''s budget of 1e-06 kWh does not hold this run''s 2.12e-05: its other runs take 0, and the whole was priced 0.0001199; not approved, by admin","error":null,"meter":{"started_at":"2026-12-01T03:31:46.200510Z","wall_seconds":0.0012456910008040722,"cpu_seconds":0.0,"peak_memory_bytes":161968128,"peak_gpu_memory_bytes":null,"read_bytes":1893,"written_bytes":0,"joules":0.001843622681190027,"idle_joules":0.001843622681190027,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:31:46.204604+00:00',1.84362268119002696738e-03);
INSERT INTO "tries" VALUES('machine_faults','backfill__2026-03-06T00:00:00+00:00',0,'close',-1,1,'airflow:01a22fa8-813b-73eb-a442-2698ba8a6258','close','ok','done','2026-12-01T03:31:48.068803+00:00',3.630190500189200975e-02,1.00000000000000088817e-02,165285888,NULL,259290,90938,0.0813268194028002,'estimated',0.0,'{"schema_version":1,"outcome":"ok","reason":"done","error":null,"meter":{"started_at":"2026-12-01T03:31:48.068803Z","wall_seconds":0.03630190500189201,"cpu_seconds":0.010000000000000009,"peak_memory_bytes":165285888,"peak_gpu_memory_bytes":null,"read_bytes":259290,"written_bytes":90938,"joules":0.0813268194028002,"idle_joules":0.05372681940280018,"energy_method":"estimated","energy_coverage":0.0,"phases":[]},"result":null}','2026-12-01T03:31:48.108178+00:00',5.37268194028001772055e-02);
CREATE TABLE workloads (
    workload TEXT NOT NULL PRIMARY KEY,
    changes BIGINT NOT NULL
);
INSERT INTO "workloads" VALUES('machine_faults',7);
CREATE UNIQUE INDEX one_running_repeat ON runs (dag_id, run_id) WHERE state = 'running';
CREATE INDEX runs_by_start ON runs (started_at);
CREATE UNIQUE INDEX one_live_model ON models (workload) WHERE state = 'live';
CREATE VIEW run_figures_now AS
SELECT
    m.dag_id AS dag_id,
    m.run_id AS run_id,
    m.repeat AS repeat,
    m.workload AS workload,
    m.state AS state,
    m.started_at AS started_at,
    m.seconds AS measured_seconds,
    m.peak_memory_bytes AS measured_peak_memory_bytes,
    m.peak_gpu_memory_bytes AS measured_peak_gpu_memory_bytes,
    m.joules AS measured_joules,
    m.energy_method AS energy_method,
    m.energy_coverage AS energy_coverage,
    CASE
        WHEN p.cost_per_joule IS NOT NULL OR p.cost_per_second IS NOT NULL THEN
            CASE WHEN p.cost_per_joule IS NULL THEN 0 ELSE p.cost_per_joule * m.joules END
            + CASE WHEN p.cost_per_second IS NULL THEN 0 ELSE p.cost_per_second * m.seconds END
    END AS cost,
    p.currency AS currency,
    CASE m.quality_metric WHEN 'macro_f1' THEN e.macro_f1 ELSE e.micro_f1 END AS quality,
    CASE WHEN m.state IN ('success', 'rejected', 'rolled_back') THEN m.seconds / NULLIF(p.seconds, 0) - 1 END
        AS seconds_error,
    CASE WHEN m.state IN ('success', 'rejected', 'rolled_back') THEN m.joules / NULLIF(p.joules, 0) - 1 END
        AS joules_error
FROM (
    SELECT
        r.dag_id,
        r.run_id,
        r.repeat,
        r.workload,
        r.state,
        r.started_at,
        r.quality_metric,
        r.model_version,
        (
            SELECT SUM(t.wall_seconds)
            FROM tries AS t
            WHERE t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.repeat = r.repeat
        ) AS seconds,
        (
            SELECT MAX(t.peak_memory_bytes)
            FROM tries AS t
            WHERE t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.repeat = r.repeat AND t.step = 'train'
        ) AS peak_memory_bytes,
        (
            SELECT MAX(t.peak_gpu_memory_bytes)
            FROM tries AS t
            WHERE t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.repeat = r.repeat AND t.step = 'train'
        ) AS peak_gpu_memory_bytes,
        (
            SELECT SUM(t.joules)
            FROM tries AS t
            WHERE t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.repeat = r.repeat
        ) AS joules,
        (
            SELECT CASE WHEN MIN(t.energy_method) = MAX(t.energy_method) THEN MIN(t.energy_method)
                WHEN MIN(t.energy_method) IS NOT NULL THEN 'mixed'
            END
            FROM tries AS t
            WHERE t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.repeat = r.repeat
        ) AS energy_method,
        (
            SELECT SUM(t.energy_coverage * t.wall_seconds)
            / NULLIF(SUM(CASE WHEN t.energy_coverage IS NOT NULL THEN t.wall_seconds END), 0)
            FROM tries AS t
            WHERE t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.repeat = r.repeat
        ) AS energy_coverage
    FROM runs AS r
) AS m
LEFT JOIN plans AS p ON p.dag_id = m.dag_id AND p.run_id = m.run_id AND p.repeat = m.repeat
LEFT JOIN evaluations AS e
    ON e.dag_id = m.dag_id AND e.run_id = m.run_id AND e.repeat = m.repeat
    AND e.workload = m.workload AND e.version = m.model_version AND e.role = 'candidate';
CREATE INDEX run_figures_by_start ON run_figures (dag_id, started_at, run_id, repeat, state);
CREATE INDEX run_figures_by_state ON run_figures (dag_id, state, started_at, run_id, repeat);
CREATE INDEX run_figures_by_seconds
ON run_figures (dag_id, COALESCE(measured_seconds, -1e300), started_at, run_id, repeat, state);
CREATE INDEX run_figures_by_joules
ON run_figures (dag_id, COALESCE(measured_joules, -1e300), started_at, run_id, repeat, state);
CREATE INDEX run_figures_by_cost ON run_figures (dag_id, COALESCE(cost, -1e300), started_at, run_id, repeat, state);
CREATE INDEX run_figures_by_quality
ON run_figures (dag_id, COALESCE(quality, -1e300), started_at, run_id, repeat, state);
CREATE INDEX run_figures_by_seconds_error
ON run_figures (dag_id, COALESCE(seconds_error, -1e300), started_at, run_id, repeat, state);
CREATE INDEX run_figures_by_joules_error
ON run_figures (dag_id, COALESCE(joules_error, -1e300), started_at, run_id, repeat, state);
CREATE INDEX models_by_creation ON models (workload, created_at);
CREATE INDEX evaluations_by_run ON evaluations (dag_id, run_id, repeat);
CREATE VIEW run_summary AS
SELECT
    r.dag_id AS dag_id,
    r.run_id AS run_id,
    r.repeat AS repeat,
    r.workload AS workload,
    r.team AS team,
    r.site AS site,
    CASE
        WHEN r.partition_first = r.partition_last THEN r.partition_last
        ELSE r.partition_first || '/' || r.partition_last
    END AS partition,
    r.state AS state,
    r.reason AS reason,
    r.started_at AS started_at,
    r.finished_at AS finished_at,
    r.dataset_version AS dataset_version,
    r.model_version AS model_version,
    CASE WHEN f.quality IS NOT NULL THEN r.quality_metric END AS quality_metric,
    f.quality AS quality,
    p.seconds AS predicted_seconds,
    f.measured_seconds AS measured_seconds,
    p.peak_memory_bytes AS predicted_peak_memory_bytes,
    f.measured_peak_memory_bytes AS measured_peak_memory_bytes,
    p.peak_gpu_memory_bytes AS predicted_peak_gpu_memory_bytes,
    f.measured_peak_gpu_memory_bytes AS measured_peak_gpu_memory_bytes,
    p.joules AS predicted_joules,
    f.measured_joules AS measured_joules,
    f.energy_method AS energy_method,
    f.energy_coverage AS energy_coverage,
    p.cost AS predicted_cost,
    f.cost AS cost,
    p.currency AS currency,
    p.gco2e AS predicted_gco2e,
    p.gco2e_per_joule * f.measured_joules AS gco2e,
    r.decision AS decision
FROM runs AS r
LEFT JOIN plans AS p ON p.dag_id = r.dag_id AND p.run_id = r.run_id AND p.repeat = r.repeat
LEFT JOIN run_figures AS f ON f.dag_id = r.dag_id AND f.run_id = r.run_id AND f.repeat = r.repeat;
CREATE VIEW run_energy AS
SELECT
    r.dag_id AS dag_id,
    r.run_id AS run_id,
    r.repeat AS repeat,
    r.workload AS workload,
    r.team AS team,
    r.site AS site,
    t.joules - t.idle_joules AS active_joules,
    t.idle_joules AS idle_joules,
    t.joules AS joules,
    r.pue AS pue,
    t.joules * r.pue AS facility_joules,
    m.joules AS metered_joules,
    m.coverage AS metered_coverage,
    m.meter AS meter,
    m.reason AS metered_reason
FROM runs AS r
LEFT JOIN metered_runs AS m ON m.dag_id = r.dag_id AND m.run_id = r.run_id AND m.repeat = r.repeat
LEFT JOIN (
    SELECT
        dag_id,
        run_id,
        repeat,
        SUM(joules) AS joules,
        CASE WHEN COUNT(joules) = COUNT(idle_joules) THEN SUM(idle_joules) END AS idle_joules
    FROM tries
    GROUP BY dag_id, run_id, repeat
) AS t ON t.dag_id = r.dag_id AND t.run_id = r.run_id AND t.repeat = r.repeat;
CREATE INDEX power_claims_by_site ON power_claims (site, asked_at);
COMMIT;
