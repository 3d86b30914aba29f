//! The application's view of a device on threads, and bare.

#[macro_use]
mod adapter;
mod common;
mod facade;
#[path = "adapter/threads.rs"]
mod threads;
