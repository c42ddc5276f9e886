//! tokio's crate `bytes`. The workloads are those of workloads.h; a chain is a deque of `Bytes`.

mod chain;
mod harness;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use chain::Chain;
use harness::{black_box, requested_bytes, thread_time, Harness};
use std::io::IoSlice;

const KIB: usize = 1024;
const MIB: usize = 1 << 20;
const HEADER: &[u8; 14] = b"HTTP/1.1 200\r\n";
const PACKET: usize = 1461;

extern "C" {
    fn memchr(bytes: *const u8, byte: i32, n: usize) -> *const u8;
}

fn find_byte(bytes: &[u8], byte: u8) -> Option<usize> {
    let found = unsafe { memchr(bytes.as_ptr(), i32::from(byte), bytes.len()) };
    if found.is_null() {
        None
    } else {
        Some(found as usize - bytes.as_ptr() as usize)
    }
}

fn letters(size: usize, mut state: u32) -> Vec<u8> {
    (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            b'a' + (state % 26) as u8
        })
        .collect()
}

/// A buffer whose count exists already: `Bytes::from(Vec)` makes it at the first clone.
fn share(bytes: &[u8]) -> Bytes {
    let first = Bytes::from(bytes.to_vec());
    let second = first.clone();
    drop(first);
    second
}

fn segments(bytes: &[u8], size: usize) -> Vec<Bytes> {
    bytes.chunks(size).map(share).collect()
}

fn chain_of(segments: &[Bytes]) -> Chain {
    let mut chain = Chain::new();
    for segment in segments {
        chain.push(segment.clone());
    }
    chain
}

fn long_chain(count: usize) -> Chain {
    let buffers = segments(&letters(1000 * KIB, 4321), KIB);
    let mut chain = Chain::new();
    for i in 0..count {
        chain.push(buffers[i % 1000].clone());
    }
    chain
}

fn offsets(limit: usize) -> Vec<usize> {
    let mut state = 7u64;
    (0..4096)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 16) as usize % limit
        })
        .collect()
}

/// Bytes, number of frames, and the sum of the payloads' first numbers.
fn frames() -> (Vec<u8>, usize, u64) {
    let mut bytes = Vec::with_capacity(MIB);
    let (mut count, mut sum) = (0usize, 0u64);
    loop {
        let size = [20usize, 100, 300, 60][count % 4];
        if bytes.len() + 4 + size > MIB {
            return (bytes, count, sum);
        }
        let tag = (count as u32).wrapping_mul(2654435761);
        bytes.put_u32(size as u32);
        bytes.put_u32(tag);
        bytes.put_bytes(b'p', size - 4);
        sum += u64::from(tag);
        count += 1;
    }
}

/// memchr for the first byte in each segment, then the rest across segments.
fn find(chain: &Chain, needle: &[u8]) -> Option<usize> {
    let mut base = 0;
    for (index, segment) in chain.segments.iter().enumerate() {
        let mut from = 0;
        while let Some(i) = find_byte(&segment[from..], needle[0]) {
            let at = from + i;
            let (mut left, mut next, mut rest) = (needle, index, &segment[at..]);
            loop {
                let n = left.len().min(rest.len());
                if left[..n] != rest[..n] {
                    break;
                }
                left = &left[n..];
                if left.is_empty() {
                    return Some(base + at);
                }
                next += 1;
                match chain.segments.get(next) {
                    Some(segment) => rest = &segment[..],
                    None => break,
                }
            }
            from = at + 1;
        }
        base += segment.len();
    }
    None
}

fn equal(a: &Chain, b: &Chain) -> bool {
    if a.remaining() != b.remaining() {
        return false;
    }
    let mut others = b.segments.iter();
    let mut y: &[u8] = &[];
    for segment in &a.segments {
        let mut x: &[u8] = segment;
        while !x.is_empty() {
            if y.is_empty() {
                y = others.next().unwrap();
            }
            let n = x.len().min(y.len());
            if x[..n] != y[..n] {
                return false;
            }
            x = &x[n..];
            y = &y[n..];
        }
    }
    true
}

fn sum_u32(mut from: impl Buf) -> u64 {
    let mut sum = 0u64;
    for _ in 0..from.remaining() / 4 {
        sum += u64::from(from.get_u32());
    }
    sum
}

fn split(stream: &mut Chain, frames: usize) -> u64 {
    let mut sum = 0;
    for _ in 0..frames {
        let size = stream.get_u32() as usize;
        let mut payload = stream.cut(size);
        sum += u64::from(payload.get_u32());
        black_box(&payload.segments);
    }
    sum
}

fn split_copying(stream: &mut Chain, frames: usize) -> u64 {
    let mut sum = 0;
    for _ in 0..frames {
        let size = stream.get_u32() as usize;
        let mut payload = stream.copy_to_bytes(size);
        sum += u64::from(payload.get_u32());
        black_box(&payload);
    }
    sum
}

fn fifo_cycle(queue: &mut Chain, buffer: &Bytes) {
    queue.push(buffer.clone());
    for _ in 0..10 {
        black_box(&queue.copy_to_bytes(100));
    }
    black_box(&queue.copy_to_bytes(24));
}

fn header_on(body: &Chain, trailer: bool) -> Chain {
    let mut message = body.clone();
    message.push_front(Bytes::copy_from_slice(black_box(HEADER)));
    if trailer {
        message.push(Bytes::copy_from_slice(black_box(HEADER)));
    }
    message
}

fn two_sizes(mixed: bool) -> Chain {
    let text = letters(8 * 16 * KIB, 12345);
    let small = segments(&text[..8 * 64], 64);
    let large = segments(&text, 16 * KIB);
    let mut is_large: Vec<bool> = (0..1000).map(|i| i >= 500).collect();
    let mut state = 5u32;
    for i in (1..1000).rev() {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        if mixed {
            is_large.swap(i, state as usize % (i + 1));
        }
    }
    let mut chain = Chain::new();
    for (i, large_one) in is_large.iter().enumerate() {
        chain.push(if *large_one { &large } else { &small }[i % 8].clone());
    }
    chain
}

fn bytes_rows(h: &mut Harness) {
    let text = letters(64 * KIB, 777);
    let whole = share(&text);
    h.run(
        "W1_slice_drop",
        "",
        1,
        || assert_eq!(whole.slice(1000..1064)[..], text[1000..1064]),
        |_, n| {
            let mut position = 0;
            for _ in 0..n {
                let part = black_box(&whole).slice(position..position + 64);
                black_box(&part);
                position = (position + 61) & 0x7fff;
            }
        },
    );
    h.run_contended("W14_clone_contended", |n| {
        for _ in 0..n {
            black_box(&black_box(&whole).clone());
        }
    });
    for size in [16, 64, 1024] {
        let bytes = letters(size, 12345);
        h.run(
            &format!("W12_create_{size}"),
            "",
            1,
            || assert_eq!(Bytes::copy_from_slice(&bytes), bytes),
            |_, n| {
                for _ in 0..n {
                    black_box(&Bytes::copy_from_slice(black_box(&bytes)));
                }
            },
        );
    }
    let bytes = letters(64, 12345);
    h.run_across_threads("W12x_create_here_drop_there", || {
        Bytes::copy_from_slice(black_box(&bytes))
    });
}

fn builder_rows(h: &mut Harness) {
    let text = letters(MIB, 12345);
    for (variant, label, capacity) in [("", "", 0), (":reserved", "size known", MIB)] {
        let build = || {
            let mut out = BytesMut::with_capacity(capacity);
            for piece in black_box(&text).chunks_exact(64) {
                out.put_slice(piece);
            }
            out.freeze()
        };
        h.run(
            &format!("W8_build_64{variant}"),
            label,
            1,
            || assert_eq!(build(), text),
            |_, n| (0..n).for_each(|_| drop(black_box(build()))),
        );
        let write = || {
            let mut out = BytesMut::with_capacity(capacity);
            for i in 0..(MIB / 4) as u32 {
                out.put_u32(i);
            }
            out.freeze()
        };
        h.run(
            &format!("W9_write_u32{variant}"),
            label,
            MIB / 4,
            || assert_eq!(write()[4 * 70000..][..4], 70000u32.to_be_bytes()),
            |_, n| (0..n).for_each(|_| drop(black_box(write()))),
        );
    }
}

fn stream_rows(h: &mut Harness) {
    let (stream, count, sum) = frames();
    let parts = segments(&stream, 16 * KIB);
    for (name, label, work) in [
        ("W2_frame_split", "by hand", split as fn(&mut Chain, usize) -> u64),
        ("W2_frame_split:copy_to_bytes", "copies", split_copying),
    ] {
        h.run_timed(
            name,
            label,
            count,
            || assert_eq!(work(&mut chain_of(&parts), count), sum),
            |_| {
                let mut stream = chain_of(&parts);
                let start = thread_time();
                black_box(work(&mut stream, count));
                thread_time() - start
            },
        );
    }
    let text = letters(MIB, 12345);
    let straddling = chain_of(&segments(&text, 4098));
    let expected: u64 =
        text.chunks(4).map(|c| u64::from(u32::from_be_bytes(c.try_into().unwrap()))).sum();
    h.run(
        "W7_read_u32",
        "",
        MIB / 4,
        || assert_eq!(sum_u32(straddling.clone()), expected),
        |_, n| {
            for _ in 0..n {
                black_box(sum_u32(black_box(&straddling).clone()));
            }
        },
    );
    let mut lines = letters(717 * PACKET + 1, 31);
    let end = lines.len();
    lines[end - 2..].copy_from_slice(b"\r\n");
    let lines = chain_of(&segments(&lines, PACKET));
    h.run(
        "W10_find_crlf",
        "by hand",
        1,
        || assert_eq!(find(&lines, b"\r\n"), Some(end - 2)),
        |_, n| (0..n).for_each(|_| drop(black_box(find(black_box(&lines), b"\r\n")))),
    );
    let mut all_a = vec![b'a'; end];
    all_a[end - 1] = b'b';
    let all_a = chain_of(&segments(&all_a, PACKET));
    let mut needle = vec![b'a'; 32];
    needle[31] = b'b';
    h.run(
        "W10_find_a31b",
        "by hand",
        1,
        || assert_eq!(find(&all_a, &needle), Some(end - 32)),
        |_, n| (0..n).for_each(|_| drop(black_box(find(black_box(&all_a), &needle)))),
    );
    let by_kib = chain_of(&segments(&text, KIB));
    let flatten = |chain: &Chain| {
        let mut out = BytesMut::with_capacity(MIB);
        for segment in &chain.segments {
            out.extend_from_slice(segment);
        }
        out.freeze()
    };
    h.run(
        "W11_flatten",
        "by hand",
        1,
        || assert_eq!(flatten(&by_kib), text),
        |_, n| (0..n).for_each(|_| drop(black_box(flatten(black_box(&by_kib))))),
    );
    let by_packet = chain_of(&segments(&text, PACKET));
    h.run(
        "W13_equal",
        "by hand",
        1,
        || assert!(equal(&by_kib, &by_packet)),
        |_, n| (0..n).for_each(|_| assert!(equal(black_box(&by_kib), black_box(&by_packet)))),
    );
}

fn chain_rows(h: &mut Harness) {
    let buffers = segments(&letters(1000 * KIB, 4321), KIB);
    let gather = |chain: &Chain| {
        let mut entries = [IoSlice::new(&[]); 1002];
        let n = chain.chunks_vectored(&mut entries);
        black_box(&entries);
        n
    };
    h.run(
        "W3_append_1000",
        "by hand",
        1000,
        || assert_eq!(gather(&chain_of(&buffers)), 1000),
        |_, n| (0..n).for_each(|_| assert_eq!(gather(&chain_of(black_box(&buffers))), 1000)),
    );
    let mut named: Vec<(String, usize)> = vec![("_chain_copy_1000".into(), 1000)];
    for segments in [1, 2, 3, 16, 1000, 1000000] {
        named.push((format!("_growth/{segments}"), segments));
    }
    for (suffix, count) in &named {
        let make = || long_chain(*count);
        h.run(&format!("W4{suffix}"), "by hand", 1, make, |chain, n| {
            (0..n).for_each(|_| drop(black_box(black_box(&*chain).clone())))
        });
        let suffix = suffix.replace("_chain_copy_1000", "_chain_slice_mid");
        h.run(&format!("W5{suffix}"), "by hand", 1, make, |chain, n| {
            let size = chain.remaining();
            for _ in 0..n {
                black_box(&black_box(&*chain).slice(size / 4, size / 4 * 3));
            }
        });
        let names = match (suffix.as_str(), count) {
            ("_chain_slice_mid", _) => vec!["W6_random_byte".to_string()],
            (_, 1000000) => {
                vec![format!("W6{suffix}"), "W6_random_byte_of_1e6".to_string()]
            }
            _ => vec![format!("W6{suffix}")],
        };
        for name in names {
            let prepare = || {
                let chain = make();
                let offsets = offsets(chain.remaining());
                (chain, offsets)
            };
            h.run(&name, "by hand", 1, prepare, |(chain, offsets), n| {
                for i in 0..n as usize {
                    black_box(black_box(&*chain).at(offsets[i % 4096]));
                }
            });
        }
    }
    for (name, mixed) in [("W6_two_sizes", true), ("W6_two_sizes_apart", false)] {
        let prepare = || {
            let chain = two_sizes(mixed);
            let offsets = offsets(chain.remaining());
            let text = chain.text();
            offsets.iter().for_each(|i| assert_eq!(chain.at(*i), text[*i]));
            (chain, offsets)
        };
        h.run(name, "by hand", 1, prepare, |(chain, offsets), n| {
            for i in 0..n as usize {
                black_box(black_box(&*chain).at(offsets[i % 4096]));
            }
        });
    }

    let payload = share(&letters(1400, 12345));
    let head = || {
        let mut header = BytesMut::with_capacity(14);
        header.put_slice(black_box(HEADER));
        header.freeze().chain(black_box(&payload).clone())
    };
    h.run(
        "W15_prepend_header",
        "",
        1,
        || assert_eq!(head().remaining(), 1414),
        |_, n| {
            for _ in 0..n {
                let message = head();
                let mut entries = [IoSlice::new(&[]); 4];
                black_box(message.chunks_vectored(&mut entries));
                black_box(&entries);
            }
        },
    );
    let view = || black_box(&HEADER[..]).chain(black_box(&payload).clone());
    h.run(
        "W15_prepend_header:view",
        "owns no header",
        1,
        || assert_eq!(view().remaining(), 1414),
        |_, n| {
            for _ in 0..n {
                let message = view();
                let mut entries = [IoSlice::new(&[]); 4];
                black_box(message.chunks_vectored(&mut entries));
                black_box(&entries);
            }
        },
    );

    let buffer = share(&letters(KIB, 12345));
    let mut queues: Vec<(String, usize)> = vec![
        ("W16_fifo".into(), 0),
        ("W16_fifo_backlog_16".into(), 16),
        ("W16_fifo_backlog_256".into(), 256),
    ];
    for segments in [1, 2, 3, 16, 1000, 1000000] {
        queues.push((format!("W16_growth/{segments}"), segments));
    }
    for (name, backlog) in &queues {
        let prepare = || {
            let mut queue = Chain::new();
            (0..*backlog).for_each(|_| queue.push(buffer.clone()));
            fifo_cycle(&mut queue, &buffer);
            assert_eq!(queue.remaining(), *backlog * KIB);
            queue
        };
        h.run(name, "by hand", 1, prepare, |queue, n| {
            (0..n).for_each(|_| fifo_cycle(queue, black_box(&buffer)))
        });
    }

    for (name, trailer) in [("W18_header_on_body", false), ("W18b_header_and_trailer", true)] {
        let prepare = || {
            let body = long_chain(1000);
            assert_eq!(gather(&header_on(&body, trailer)), 1001 + usize::from(trailer));
            body
        };
        h.run(name, "by hand", 1, prepare, |body, n| {
            (0..n).for_each(|_| drop(black_box(gather(&header_on(black_box(&*body), trailer)))))
        });
    }
    for segments in [1, 2, 3, 16, 1000, 1000000] {
        let name = format!("W18_growth/{segments}");
        h.run(&name, "by hand", 1, || long_chain(segments), |body, n| {
            (0..n).for_each(|_| drop(black_box(header_on(black_box(&*body), false))))
        });
    }
    for segments in [3, 16, 1000] {
        for (name, pushes) in
            [("W19_first_push_", 1), ("W19_second_pusher_", 1), ("W19_pushes_twice_", 2)]
        {
            let name = format!("{name}{segments}");
            h.run(&name, "by hand", 1, || long_chain(segments), |base, n| {
                for _ in 0..n {
                    let mut chain = black_box(&*base).clone();
                    (0..pushes).for_each(|_| chain.push(buffer.clone()));
                    black_box(&chain.segments);
                }
            });
        }
    }
}

fn memory_rows(h: &mut Harness) {
    if requested_bytes().is_none() {
        return;
    }
    let buffers: Vec<Bytes> = (0..16).map(|_| share(&letters(64 * KIB, 777))).collect();
    for count in [8usize, 16, 100, 1000] {
        let sizes = (std::mem::size_of::<Bytes>(), std::mem::size_of::<Chain>());
        h.report_memory(&format!("W17_memory_{count}"), sizes, || {
            let before = requested_bytes().unwrap();
            let mut chain = Chain::new();
            for i in 0..count {
                let at = i / 16 % 63 * KIB;
                chain.push(buffers[i % 16].slice(at..at + 1000));
            }
            requested_bytes().unwrap() - before
        });
    }
}

fn main() {
    let mut harness = Harness::new();
    bytes_rows(&mut harness);
    builder_rows(&mut harness);
    stream_rows(&mut harness);
    chain_rows(&mut harness);
    memory_rows(&mut harness);
    harness.finish("tokio bytes", "1.2.1");
}
