//! What is written down of outcomes.

use serde_json::{Value, json};
use udmi_proto::UtcMillis;
use udmi_proto::model::common::Stage;
use udmi_tests::conformance::results::{Folder, Summary, json, junit, lines, transcript};
use udmi_tests::conformance::{Capability, Outcome, Said, Schema, Taken, Verdict};

fn outcome(sequence: &str, verdict: Verdict) -> Outcome {
    let score = if verdict == Verdict::Pass { 10 } else { 0 };
    let total = if matches!(verdict, Verdict::Skip(_)) { 0 } else { 10 };
    Outcome {
        device: "AHU-1".into(),
        sequence: sequence.into(),
        about: "Something is so.".into(),
        bucket: "system".into(),
        stage: Stage::Stable,
        verdict,
        score,
        total,
        capabilities: Vec::new(),
        schemas: Vec::new(),
        findings: Vec::new(),
        steps: Vec::new(),
        messages: Vec::new(),
        began: UtcMillis(1_790_000_000_000),
        took_ms: 12_034,
    }
}

/// One that has passed with a capability and a schema that have not.
fn passed() -> Outcome {
    let capability = |name: &str, verdict| Capability { name: name.into(), verdict };
    let schema = |name: &str, findings: &[&str]| Schema {
        name: name.into(),
        findings: findings.iter().map(ToString::to_string).collect(),
    };
    Outcome {
        capabilities: vec![
            capability("logging", Verdict::Pass),
            capability("status", Verdict::Fail("/system/status is absent".into())),
        ],
        schemas: vec![schema("device_state", &[]), schema("state_update", &["/system: no mood", "/a: b"])],
        score: 9,
        total: 10,
        ..outcome("broken_config", Verdict::Pass)
    }
}

/// One that has failed, of a device that says what is awkward to write.
fn failed() -> Outcome {
    let failure = "no such state within 10 s: /system/serial_no is \"<&>\n0\", expected \"1\"";
    let taken = |number, text: &str, began_ms, took_ms, verdict| Taken {
        number,
        text: text.into(),
        began_ms,
        took_ms,
        verdict,
    };
    let said = |at_ms, sent, topic: &str, payload: Value, findings: &[&str]| Said {
        at_ms,
        sent,
        prefix: "/r/REG/d/AHU-1".into(),
        topic: topic.into(),
        payload,
        findings: findings.iter().map(ToString::to_string).collect(),
    };
    Outcome {
        steps: vec![
            taken(0, "set up", 0, 120, Verdict::Pass),
            taken(1, r#"{"state":{"at":"/system/serial_no"}}"#, 120, 10_000, Verdict::Fail(failure.into())),
        ],
        messages: vec![
            said(5, true, "config", json!({ "system": {} }), &[]),
            said(70, false, "state", json!({ "system": { "serial_no": "<&>\n0" } }), &["/system: wrong"]),
            said(4000, false, "events/system", json!({}), &[]),
            said(11_000, false, "state", "no JSON".into(), &[]),
        ],
        ..outcome("valid_serial_no", Verdict::Fail(format!("step 1: {failure}")))
    }
}

fn skipped() -> Outcome {
    let skipped = outcome("scan_single_now+vendor", Verdict::Skip("Feature bucket not enabled".into()));
    Outcome { device: "GAT-1".into(), bucket: "discovery.scan".into(), ..skipped }
}

#[test]
fn outcomes_are_lines_in_the_form_of_the_suite() {
    let all = [passed(), failed(), skipped()];
    let text: Vec<_> = all.iter().flat_map(lines).map(|line| line.to_string()).collect();
    insta::assert_snapshot!(text.join("\n"), @r#"
    CPBLTY pass system broken_config.logging ALPHA 1/1 Capability supported
    CPBLTY fail system broken_config.status ALPHA 0/1 /system/status is absent
    SCHEMA pass system broken_config STABLE device_state Schema validation passed
    SCHEMA fail system broken_config STABLE state_update /system: no mood; /a: b
    RESULT pass system broken_config STABLE 9/10 Sequence complete
    RESULT fail system valid_serial_no STABLE 0/10 step 1: no such state within 10 s: /system/serial_no is "<&>\n0", expected "1"
    RESULT skip discovery.scan scan_single_now+vendor STABLE 0/0 Feature bucket not enabled
    "#);
    assert!(text.iter().all(|line| !line.contains('\n')));
}

#[test]
fn a_capability_of_a_sequence_that_has_failed_is_worth_nothing() {
    let failed = Outcome { verdict: Verdict::Fail("x".into()), ..passed() };
    let first = lines(&failed).first().unwrap().to_string();
    assert_eq!(first, "CPBLTY pass system broken_config.logging ALPHA 0/1 Capability supported");
}

#[test]
fn a_summary_counts_and_adds_up() {
    insta::assert_snapshot!(Summary::of(&[passed(), failed(), skipped()]).to_string(), @r#"
    system: 1 passed, 1 failed, 0 skipped, 9/20
    sequences: 1 passed, 1 failed, 1 skipped, 9/20
    capabilities: 1 passed, 1 failed, 0 skipped
    schemas: 1 passed, 1 failed, 0 skipped
    "#);
}

#[test]
fn outcomes_are_suites_of_junit() {
    insta::assert_snapshot!(junit(&[passed(), skipped(), failed()]), @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="udmi conform" tests="3" failures="1" errors="0" skipped="1" time="36.102">
      <testsuite name="AHU-1" tests="2" failures="1" errors="0" skipped="0" time="24.068" timestamp="2026-09-21T14:13:20">
        <testcase classname="AHU-1.system" name="broken_config" time="12.034">
          <system-out>
    CPBLTY pass system broken_config.logging ALPHA 1/1 Capability supported
    CPBLTY fail system broken_config.status ALPHA 0/1 /system/status is absent
    SCHEMA pass system broken_config STABLE device_state Schema validation passed
    SCHEMA fail system broken_config STABLE state_update /system: no mood; /a: b
    RESULT pass system broken_config STABLE 9/10 Sequence complete
    </system-out>
        </testcase>
        <testcase classname="AHU-1.system" name="valid_serial_no" time="12.034">
          <failure type="failure" message="step 1: no such state within 10 s: /system/serial_no is &quot;&lt;&amp;&gt;&#10;0&quot;, expected &quot;1&quot;">{&quot;state&quot;:{&quot;at&quot;:&quot;/system/serial_no&quot;}}</failure>
          <system-out>
    RESULT fail system valid_serial_no STABLE 0/10 step 1: no such state within 10 s: /system/serial_no is &quot;&lt;&amp;&gt;\n0&quot;, expected &quot;1&quot;
    </system-out>
        </testcase>
      </testsuite>
      <testsuite name="GAT-1" tests="1" failures="0" errors="0" skipped="1" time="12.034" timestamp="2026-09-21T14:13:20">
        <testcase classname="GAT-1.discovery.scan" name="scan_single_now+vendor" time="12.034">
          <skipped message="Feature bucket not enabled"/>
          <system-out>
    RESULT skip discovery.scan scan_single_now+vendor STABLE 0/0 Feature bucket not enabled
    </system-out>
        </testcase>
      </testsuite>
    </testsuites>
    "#);
}

#[test]
fn outcomes_are_a_document() {
    let document: Value = serde_json::from_str(&json(&[passed(), failed()])).unwrap();
    assert_eq!(document["form"], 1);
    assert_eq!(document["summary"]["sequences"], json!({ "passed": 1, "failed": 1, "skipped": 0 }));
    assert_eq!(document["outcomes"][0]["verdict"], json!({ "result": "pass" }));
    assert_eq!(document["outcomes"][0]["stage"], "stable");
    assert_eq!(document["outcomes"][1]["verdict"]["result"], "fail");
    assert_eq!(document["outcomes"][1]["steps"][1]["verdict"]["result"], "fail");
}

#[test]
fn a_transcript_tells_the_story_and_where_it_broke() {
    insta::assert_snapshot!(transcript(&failed()), @r#"
    AHU-1: valid_serial_no
    Something is so.
    began 2026-09-21T14:13:20Z, took 12.034 s
    RESULT fail system valid_serial_no STABLE 0/10 step 1: no such state within 10 s: /system/serial_no is "<&>\n0", expected "1"

    failed at step 1
    expected: {"state":{"at":"/system/serial_no"}}
    seen: no such state within 10 s: /system/serial_no is "<&>\n0", expected "1"

        0.000 step 0: set up
        0.005 -> /r/REG/d/AHU-1/config {"system":{}}
        0.070 <- /r/REG/d/AHU-1/state {"system":{"serial_no":"<&>\n0"}}
              !! /system: wrong
        0.120 step 0 done
        0.120 step 1: {"state":{"at":"/system/serial_no"}}
        4.000 <- /r/REG/d/AHU-1/events/system {}
       10.120 step 1 FAILS: no such state within 10 s: /system/serial_no is "<&>\n0", expected "1"
       11.000 <- /r/REG/d/AHU-1/state "no JSON"
    "#);
}

#[test]
fn a_folder_has_it_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/results");
    let mut results = Folder::create(&path).unwrap();
    let strange = Outcome { device: "../AHU/1".into(), ..failed() };
    for outcome in [passed(), failed(), skipped(), strange] {
        results.add(&outcome).unwrap();
    }
    results.finish().unwrap();
    let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
    assert_eq!(read("AHU-1/valid_serial_no.txt"), transcript(&failed()));
    assert_eq!(read("___AHU_1/valid_serial_no.txt").lines().next(), Some("../AHU/1: valid_serial_no"));
    assert!(read("results.txt").starts_with("AHU-1 CPBLTY pass system broken_config.logging"));
    assert!(read("results.txt").ends_with("schemas: 1 passed, 1 failed, 0 skipped\n"));
    assert!(read("junit.xml").contains(r#"tests="4" failures="2""#));
    let document: Value = serde_json::from_str(&read("results.json")).unwrap();
    assert_eq!(document["outcomes"].as_array().unwrap().len(), 4);
    assert_eq!(document["outcomes"][1]["messages"], json!([]));
}
