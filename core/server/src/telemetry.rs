//! Logs on standard error and metrics for Prometheus.

use crate::config::Log;
use crate::error::SetupError;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Seconds: from a cached read to the handler's deadline.
const BUCKETS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// Sends the log to standard error. May be called once in a process; a second call changes nothing.
pub(crate) fn log(log: &Log) {
    let level = match log.level.as_str() {
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => LevelFilter::INFO,
    };
    // Libraries speak of every packet at these levels.
    let others = level.min(LevelFilter::WARN);
    let filter = Targets::new().with_target("imagxp", level).with_default(others);
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let _ = if log.format == "text" {
        registry.with(layer.with_ansi(false)).try_init()
    } else {
        registry
            .with(layer.json().flatten_event(true).with_current_span(true).with_span_list(false))
            .try_init()
    };
}

/// Starts counting. Error: `metrics.failed`, when something else counts in this process already.
pub(crate) fn metrics() -> Result<PrometheusHandle, SetupError> {
    let failed =
        |error: metrics_exporter_prometheus::BuildError| SetupError::new("metrics.failed", error.to_string());
    let handle =
        PrometheusBuilder::new().set_buckets(&BUCKETS).map_err(failed)?.install_recorder().map_err(failed)?;
    metrics::describe_counter!(
        "imagxp_http_requests_total",
        "Requests answered, by method, route and status"
    );
    metrics::describe_counter!("imagxp_http_refused_total", "Requests refused before any work, by reason");
    metrics::describe_histogram!(
        "imagxp_http_request_seconds",
        metrics::Unit::Seconds,
        "Time to an answer, by route"
    );
    metrics::describe_gauge!("imagxp_http_requests_in_flight", "Requests at work or waiting");
    metrics::describe_gauge!("imagxp_http_connections", "Open connections");
    metrics::describe_counter!("imagxp_verdicts_total", "Verdicts of /v1/verify, by outcome and code");
    metrics::describe_counter!("imagxp_ledger_commands_total", "Commands, by result code");
    metrics::describe_histogram!(
        "imagxp_ledger_command_seconds",
        metrics::Unit::Seconds,
        "Time from command to commit"
    );
    metrics::describe_counter!("imagxp_settled_total", "Visas that time has settled, by state");
    metrics::describe_gauge!(
        "imagxp_ledger_writable",
        "1 while the ledger's invariants hold and writes are accepted"
    );
    metrics::describe_gauge!(
        "imagxp_settlement_late_seconds",
        "For how long the oldest visa that is due has been waiting"
    );
    metrics::describe_gauge!("imagxp_streams", "Open streams of events");
    metrics::describe_gauge!(
        "imagxp_log_continues",
        "0 when the log does not contain a checkpoint that was kept"
    );
    metrics::describe_gauge!(
        "imagxp_clock_trusted",
        "1 when the ledger's clock is believed and writes are taken"
    );
    metrics::describe_gauge!(
        "imagxp_clock_ahead_seconds",
        metrics::Unit::Seconds,
        "How far this machine's clock is ahead of the ledger's"
    );
    Ok(handle)
}
