//! The examples, as processes of their own, against brokers that are there; what counts is what the cloud sees.

mod blobs;
mod connect;
mod endpoint;
mod gateway;
mod points;
mod system;
mod writeback;
