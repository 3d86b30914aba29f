//! Without an operating system a linker has to be told where the program begins, or it leaves all of it out.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        println!("cargo::rustc-link-arg-bins=-emain");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
