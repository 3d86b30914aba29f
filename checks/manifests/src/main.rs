//! Reads every manifest in `docs/fleet` as what it says it is, and fails where a member is unknown, missing or of
//! another type. The API's types take unknown members in and forget them, so what is read is written again and compared.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use k8s_openapi::api::batch::v1::Job;
use serde_json::Value;

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fleet");
    match check_all(&folder) {
        Ok(0) => fail("there is no manifest"),
        Ok(count) => {
            println!("{count} manifests are as the Kubernetes API wants them");
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("{why}");
    ExitCode::FAILURE
}

fn check_all(folder: &Path) -> Result<usize, Box<dyn Error>> {
    let mut count = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            check(&std::fs::read_to_string(&path)?)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            count += 1;
        }
    }
    Ok(count)
}

fn check(text: &str) -> Result<(), Box<dyn Error>> {
    let document: Value = serde_norway::from_str(text)?;
    let job: Job = serde_json::from_value(document.clone())?;
    let kept = serde_json::to_value(&job)?;
    match lost(&document, &kept, "") {
        None => Ok(()),
        Some(path) => Err(format!("{path} is unknown, or of another type").into()),
    }
}

/// The first member of a document that is not kept as it was.
fn lost(document: &Value, kept: &Value, path: &str) -> Option<String> {
    match (document, kept) {
        (Value::Object(document), Value::Object(kept)) => document.iter().find_map(|(name, value)| {
            let path = format!("{path}/{name}");
            kept.get(name).map_or(Some(path.clone()), |kept| lost(value, kept, &path))
        }),
        (Value::Array(document), Value::Array(kept)) if document.len() == kept.len() => {
            let pairs = document.iter().zip(kept).enumerate();
            pairs.into_iter().find_map(|(at, (value, kept))| lost(value, kept, &format!("{path}/{at}")))
        }
        (document, kept) => (document != kept).then(|| path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata: { name: fleet }
spec:
  completions: 2
  template:
    spec:
      restartPolicy: Never
      containers: [{ name: fleet, image: udmi, args: [fleet] }]
";

    #[test]
    fn a_job_is_taken() {
        check(JOB).unwrap();
    }

    #[test]
    fn unknown_members_wrong_types_and_other_kinds_are_refused() {
        for (right, wrong) in [
            ("completions", "completion"),
            ("restartPolicy: Never", "restartPolice: Never"),
            ("completions: 2", "completions: many"),
            ("kind: Job", "kind: Jib"),
            ("args: [fleet]", "args: fleet"),
        ] {
            assert!(check(&JOB.replace(right, wrong)).is_err(), "{wrong}");
        }
    }
}
