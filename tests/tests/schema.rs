//! The model against its schemas, UDMI's schemas and UDMI's examples.

mod schema {
    mod agreement;
    mod examples;
    mod fresh;
}
