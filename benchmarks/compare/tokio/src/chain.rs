//! A run-time number of `Bytes` that read as one. The crate has no such type (its `Chain` nests in
//! the type), so its users write a deque with a sum of the sizes; this is one.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::collections::VecDeque;
use std::io::IoSlice;

#[derive(Clone, Default)]
pub struct Chain {
    pub segments: VecDeque<Bytes>,
    remaining: usize,
}

impl Chain {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn push(&mut self, bytes: Bytes) {
        self.remaining += bytes.len();
        self.segments.push_back(bytes);
    }

    pub fn push_front(&mut self, bytes: Bytes) {
        self.remaining += bytes.len();
        self.segments.push_front(bytes);
    }

    /// Cuts off the first `n` bytes without a copy: again a deque.
    pub fn cut(&mut self, mut n: usize) -> Chain {
        assert!(n <= self.remaining);
        let mut result = Chain::new();
        while n > 0 {
            let front = self.segments.front_mut().unwrap();
            if front.len() > n {
                result.push(front.split_to(n));
                self.remaining -= n;
                break;
            }
            let segment = self.segments.pop_front().unwrap();
            n -= segment.len();
            self.remaining -= segment.len();
            result.push(segment);
        }
        result
    }

    pub fn slice(&self, begin: usize, end: usize) -> Chain {
        let mut result = Chain::new();
        let mut position = 0;
        for segment in &self.segments {
            let (from, to) = (position, position + segment.len());
            position = to;
            if to <= begin {
                continue;
            }
            if from >= end {
                break;
            }
            let low = begin.saturating_sub(from);
            let high = segment.len() - to.saturating_sub(end);
            result.push(if low == 0 && high == segment.len() {
                segment.clone()
            } else {
                segment.slice(low..high)
            });
        }
        result
    }

    pub fn at(&self, mut position: usize) -> u8 {
        for segment in &self.segments {
            if position < segment.len() {
                return segment[position];
            }
            position -= segment.len();
        }
        panic!("position behind the end")
    }

    pub fn text(&self) -> Vec<u8> {
        let mut result = Vec::with_capacity(self.remaining);
        for segment in &self.segments {
            result.extend_from_slice(segment);
        }
        result
    }
}

impl Buf for Chain {
    #[inline]
    fn remaining(&self) -> usize {
        self.remaining
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        self.segments.front().map_or(&[], |bytes| &bytes[..])
    }

    #[inline]
    fn chunks_vectored<'a>(&'a self, entries: &mut [IoSlice<'a>]) -> usize {
        let mut n = 0;
        for segment in &self.segments {
            if n == entries.len() {
                break;
            }
            entries[n] = IoSlice::new(segment);
            n += 1;
        }
        n
    }

    #[inline]
    fn advance(&mut self, mut n: usize) {
        assert!(n <= self.remaining);
        self.remaining -= n;
        while n > 0 {
            let front = self.segments.front_mut().unwrap();
            let size = front.len();
            if size > n {
                front.advance(n);
                return;
            }
            n -= size;
            self.segments.pop_front();
        }
    }

    /// Shares when the front segment has them all, else copies.
    fn copy_to_bytes(&mut self, n: usize) -> Bytes {
        assert!(n <= self.remaining);
        match self.segments.front_mut() {
            Some(front) if front.len() > n => {
                self.remaining -= n;
                front.split_to(n)
            }
            Some(front) if front.len() == n => {
                self.remaining -= n;
                self.segments.pop_front().unwrap()
            }
            _ => {
                let mut result = BytesMut::with_capacity(n);
                result.put(self.take(n));
                result.freeze()
            }
        }
    }
}
