//! Every bound of the broker, in one place.

/// What the broker holds at most. Every queue and table that a client can grow has its bound here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; one more is closed at once. Default 12,000.
    pub connections: usize,
    /// Sessions, connected or kept; a new client beyond is refused with code 3. Default 20,000.
    pub sessions: usize,
    /// Subscriptions of one session; a new one beyond is refused with 0x80. Default 10,000:
    /// a gateway has three for each of the 2,000 devices it may act for.
    pub subscriptions: usize,
    /// Levels of a topic or filter: a longer filter is refused, a longer topic closes. Default 64.
    pub topic_levels: usize,
    /// QoS 1 and 2 messages waiting in one session; the newest is dropped beyond. Default 10,000.
    pub queued_messages: usize,
    /// Bytes (topics and payloads) waiting in one session; the newest is dropped beyond. Default 16 MiB.
    pub queued_bytes: usize,
    /// QoS 1 and 2 messages sent to one client and not yet acknowledged; more wait. Default 20.
    pub inflight: usize,
    /// QoS 2 messages received from one client and not yet released; one more closes. Default 1,000.
    pub incoming: usize,
    /// Retained messages; a further one is forwarded but not kept. Default 50,000.
    pub retained_messages: usize,
    /// Bytes (topics and payloads) of retained messages, bounded in the same way. Default 256 MiB.
    pub retained_bytes: usize,
    /// Bytes of one packet from a client; a longer one closes. Default 1 MiB.
    pub packet_bytes: usize,
    /// Bytes handed out for one connection and not yet written: over it, the reader is too slow and is
    /// dropped; over half of it, queued and retained messages wait. Default 16 MiB.
    pub unsent_bytes: usize,
    /// Bytes of a client identifier, a user name or a password; longer ones are refused with code 2 or 4.
    /// Default 4,096: a JWT signed with RSA is about 800.
    pub credential_bytes: usize,
    /// Milliseconds from connection to CONNECT. Default 10,000.
    pub connect_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 12_000,
            sessions: 20_000,
            subscriptions: 10_000,
            topic_levels: 64,
            queued_messages: 10_000,
            queued_bytes: 16 << 20,
            inflight: 20,
            incoming: 1_000,
            retained_messages: 50_000,
            retained_bytes: 256 << 20,
            packet_bytes: 1 << 20,
            unsent_bytes: 16 << 20,
            credential_bytes: 4_096,
            connect_ms: 10_000,
        }
    }
}

impl Limits {
    /// Whether a topic or filter has more levels than allowed.
    pub(crate) fn too_deep(&self, topic: &str) -> bool {
        topic.bytes().filter(|&byte| byte == b'/').count() >= self.topic_levels
    }
}
