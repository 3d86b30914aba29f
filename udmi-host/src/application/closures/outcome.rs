//! What the closures' results are for the core.

use std::path::Path;

use udmi_proto::model::events::SystemMetrics;
use udmi_proto::{BlobOutcome, Outcome};

use crate::application::{BlobError, CommandError, WriteError};
use crate::metrics::Metrics;

/// The result of a closure; an error says that it has panicked.
type Run<T> = Result<T, String>;

pub(super) fn written(result: Run<Result<(), WriteError>>) -> Outcome {
    match result {
        Ok(Ok(())) => Outcome::Done,
        Ok(Err(WriteError::Invalid(message))) => Outcome::Invalid { message },
        Ok(Err(WriteError::Failed(message))) | Err(message) => Outcome::Failed { message },
    }
}

pub(super) fn commanded(result: Run<Result<(), CommandError>>) -> Outcome {
    match result {
        Ok(Ok(())) => Outcome::Done,
        Ok(Err(CommandError::Unknown)) => Outcome::Unhandled,
        Ok(Err(CommandError::Failed(message))) | Err(message) => Outcome::Failed { message },
    }
}

pub(super) fn done(result: Run<Result<(), String>>) -> Outcome {
    match result {
        Ok(Ok(())) => Outcome::Done,
        Ok(Err(message)) | Err(message) => Outcome::Failed { message },
    }
}

pub(super) fn processed(result: Run<Result<Option<String>, BlobError>>) -> Outcome {
    match result {
        Ok(Ok(version)) => Outcome::Blob(BlobOutcome::Processed { version }),
        Ok(Err(BlobError::Invalid(message))) => Outcome::Invalid { message },
        Ok(Err(BlobError::Failed(message))) | Err(message) => Outcome::Failed { message },
        Ok(Err(BlobError::Aborted(message))) => Outcome::Blob(BlobOutcome::Aborted { message }),
        Ok(Err(BlobError::RolledBack(message))) => Outcome::Blob(BlobOutcome::RolledBack { message }),
    }
}

pub(super) fn checked(result: Run<Option<bool>>) -> Outcome {
    match result {
        Ok(Some(true)) => Outcome::Blob(BlobOutcome::Activated),
        Ok(Some(false)) => Outcome::Blob(BlobOutcome::NotActivated),
        Ok(None) => Outcome::Unhandled,
        Err(message) => Outcome::Failed { message },
    }
}

/// The metrics of this host; of the file systems, the one of the working directory.
pub(super) fn measure() -> Outcome {
    let Metrics { mem_total_mb, mem_free_mb, store_total_mb, store_free_mb, system_load } =
        Metrics::measure(Path::new("."));
    Outcome::Metrics(SystemMetrics { mem_total_mb, mem_free_mb, store_total_mb, store_free_mb, system_load })
}
