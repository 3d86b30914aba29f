//! rumqttc, with its asynchronous client on one thread, which was its fastest form by measurement: publisher and event loop are two
//! tasks of tokio's single-threaded runtime.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use tokio::runtime::{Builder, Runtime};

use crate::client::{Client, Failure, Run, TOPIC, Watch, age, paced, stamp};

/// How it is set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rumqttc {
    /// Messages that may be unacknowledged; its default is 100.
    pub(crate) inflight: u16,
    /// Requests that may wait for the event loop.
    pub(crate) requests: usize,
}

impl Rumqttc {
    fn connect(self, broker: SocketAddr) -> (AsyncClient, EventLoop) {
        let mut options = MqttOptions::new("peer", broker.ip().to_string(), broker.port());
        options.set_inflight(self.inflight).set_max_packet_size(1 << 20, 1 << 20);
        options.set_keep_alive(Duration::ZERO);
        let (client, mut events) = AsyncClient::new(options, self.requests);
        let mut network = events.network_options();
        network.set_tcp_nodelay(true);
        events.set_network_options(network);
        (client, events)
    }
}

impl Client for Rumqttc {
    fn name(&self) -> String {
        format!(
            "rumqttc (async, one thread, inflight {}, {} requests, no delay)",
            self.inflight, self.requests
        )
    }

    fn publish(&self, broker: SocketAddr, payload: &Bytes, count: usize) -> Result<Run, Failure> {
        runtime()?.block_on(async {
            let (client, mut events) = self.connect(broker);
            until(&mut events, |packet| matches!(packet, Packet::ConnAck(_))).await?;
            let watch = Watch::start();
            let payload = payload.clone();
            let publisher = tokio::spawn(async move {
                for _ in 0..count {
                    client.publish_bytes(TOPIC, QoS::AtLeastOnce, false, payload.clone()).await?;
                }
                Ok::<_, rumqttc::ClientError>(client)
            });
            let mut acknowledged = 0;
            until(&mut events, |packet| {
                acknowledged += usize::from(matches!(packet, Packet::PubAck(_)));
                acknowledged == count
            })
            .await?;
            let run = watch.stop();
            publisher.await??;
            Ok(run)
        })
    }

    fn receive(
        &self,
        broker: SocketAddr,
        count: usize,
        feed: &mut dyn FnMut(&AtomicUsize) -> Result<(), Failure>,
    ) -> Result<Option<Run>, Failure> {
        let received = AtomicUsize::new(0);
        let (ready, subscribed) = std::sync::mpsc::channel();
        let peer = *self;
        thread::scope(|scope| {
            let receiver = scope.spawn(|| {
                runtime()?.block_on(async {
                    let (_client, mut events) = peer.subscribe(broker).await?;
                    ready.send(())?;
                    let watch = Watch::start();
                    until(&mut events, |packet| {
                        matches!(packet, Packet::Publish(_))
                            && received.fetch_add(1, Ordering::Relaxed) + 1 == count
                    })
                    .await?;
                    Ok::<_, Failure>(watch.stop())
                })
            });
            subscribed.recv()?;
            feed(&received)?;
            receiver.join().map_err(|_| "the receiver broke")?.map(Some)
        })
    }

    fn echo(
        &self,
        broker: SocketAddr,
        payload: &Bytes,
        count: usize,
        pause: Duration,
    ) -> Result<Option<Vec<Duration>>, Failure> {
        let (ready, subscribed) = std::sync::mpsc::channel();
        let (peer, origin) = (*self, Instant::now());
        thread::scope(|scope| {
            let receiver = scope.spawn(move || {
                runtime()?.block_on(async {
                    let (client, mut events) = peer.subscribe(broker).await?;
                    ready.send(client)?;
                    let mut ages = Vec::with_capacity(count);
                    until(&mut events, |packet| {
                        if let Packet::Publish(message) = packet {
                            ages.extend(age(&message.payload, origin));
                        }
                        ages.len() == count
                    })
                    .await?;
                    Ok::<_, Failure>(ages)
                })
            });
            let client = subscribed.recv()?;
            paced(count, pause, || {
                Ok(client.try_publish(TOPIC, QoS::AtLeastOnce, false, stamp(payload, origin))?)
            })?;
            receiver.join().map_err(|_| "the receiver broke")?.map(Some)
        })
    }
}

impl Rumqttc {
    async fn subscribe(self, broker: SocketAddr) -> Result<(AsyncClient, EventLoop), Failure> {
        let (client, mut events) = self.connect(broker);
        client.subscribe(TOPIC, QoS::AtLeastOnce).await?;
        until(&mut events, |packet| matches!(packet, Packet::SubAck(_))).await?;
        Ok((client, events))
    }
}

/// Runs the event loop until a packet that comes in satisfies.
async fn until(events: &mut EventLoop, mut is_last: impl FnMut(&Packet) -> bool) -> Result<(), Failure> {
    loop {
        if let Event::Incoming(packet) = events.poll().await?
            && is_last(&packet)
        {
            return Ok(());
        }
    }
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
