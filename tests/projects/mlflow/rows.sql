-- Rows of a tracking server at revision 867495a8f9d4: 50 experiments, 2,000 runs, 20,000 metrics, models and traces.
INSERT INTO experiments (name, artifact_location, lifecycle_stage, creation_time, last_update_time)
SELECT 'experiment ' || i, 'mlflow-artifacts:/' || i, CASE WHEN i % 10 = 0 THEN 'deleted' ELSE 'active' END,
       1700000000000 + i, 1700000000000 + i
  FROM generate_series(1, 50) AS i;
INSERT INTO experiment_tags (key, value, experiment_id)
SELECT 'mlflow.note.content', 'about ' || name, experiment_id FROM experiments;
INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time,
                  source_version, lifecycle_stage, artifact_uri, experiment_id)
SELECT md5('run' || i), 'run ' || i, 'LOCAL', 'train.py', '', 'user' || i % 7,
       (ARRAY['FINISHED', 'FAILED', 'RUNNING', 'KILLED', 'SCHEDULED'])[1 + i % 5], 1700000000000 + i,
       CASE WHEN i % 5 = 2 THEN NULL ELSE 1700000060000 + i END, md5('commit' || i % 30), 'active',
       'mlflow-artifacts:/' || 1 + i % 50 || '/' || md5('run' || i), 1 + i % 50
  FROM generate_series(1, 2000) AS i;
INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan)
SELECT 'loss', 1.0 / step, 1700000000000 + step, run_uuid, step, false FROM runs, generate_series(1, 10) AS step;
INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid)
SELECT DISTINCT ON (run_uuid, key) key, value, timestamp, step, is_nan, run_uuid
  FROM metrics ORDER BY run_uuid, key, step DESC;
INSERT INTO params (key, value, run_uuid) SELECT 'learning_rate', '0.00' || 1 + length(name) % 9, run_uuid FROM runs;
INSERT INTO tags (key, value, run_uuid) SELECT 'mlflow.user', user_id, run_uuid FROM runs;
INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source, dataset_schema)
SELECT md5('dataset' || experiment_id), experiment_id, 'wine', left(md5(name), 8), 'http', '{"url": "wine.csv"}', '{}'
  FROM experiments;
INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id)
SELECT md5('input' || run_uuid), 'DATASET', md5('dataset' || experiment_id), 'RUN', run_uuid FROM runs;
INSERT INTO input_tags (input_uuid, name, value) SELECT input_uuid, 'mlflow.data.context', 'training' FROM inputs;
INSERT INTO registered_models (name, creation_time, last_updated_time, description)
SELECT 'model ' || i, 1700000000000, 1700000000000, NULL FROM generate_series(1, 20) AS i;
INSERT INTO registered_model_tags (key, value, name) SELECT 'team', 'vision', name FROM registered_models;
INSERT INTO model_versions (name, version, creation_time, last_updated_time, current_stage, source, run_id, status)
SELECT name, version, 1700000000000, 1700000000000, 'None', 'runs:/model', md5('run' || version), 'READY'
  FROM registered_models, generate_series(1, 5) AS version;
INSERT INTO model_version_tags (key, value, name, version) SELECT 'checked', 'yes', name, version FROM model_versions;
INSERT INTO registered_model_aliases (alias, version, name) SELECT 'champion', 5, name FROM registered_models;
INSERT INTO trace_info (request_id, experiment_id, timestamp_ms, execution_time_ms, status)
SELECT 'tr-' || md5('trace' || i), 1 + i % 50, 1700000000000 + i, i % 900, 'OK' FROM generate_series(1, 3000) AS i;
INSERT INTO trace_tags (key, value, request_id) SELECT 'mlflow.traceName', 'predict', request_id FROM trace_info;
INSERT INTO trace_tags (key, value, request_id) SELECT 'team', 'vision', request_id FROM trace_info;
INSERT INTO trace_request_metadata (key, value, request_id)
SELECT 'mlflow.trace.session', 'session ' || timestamp_ms % 100, request_id FROM trace_info;
INSERT INTO trace_request_metadata (key, value, request_id)
SELECT 'mlflow.source.name', 'train.py', request_id FROM trace_info;
