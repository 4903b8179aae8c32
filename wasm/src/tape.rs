//! The tape: which ops led from watched values to a result, and the walk back along them.
//!
//! A value is recorded from the first watched point onward and nothing before it, so every node lies on a path to something
//! that was asked for. Node numbers grow with time, hence the walk takes them from the highest down. It stops at watched
//! points and leaves, where the caller sees the gradient, may replace it, and asks for the next stop.
//!
//! Nodes belong to groups (one a run), which are released together; an op that joins two runs joins their groups.

use crate::error::{Error, Result};
use crate::kernels::Kernels;
use crate::ops::{Op, Saved};
use crate::tensor::{Dtype, Shape, Tensor};
use std::collections::{BinaryHeap, HashMap};

/// Numbers start at 1; 0 is "not recorded" at the binding.
pub type NodeId = u32;
pub type GroupId = u32;

/// A tensor and, where gradients flow to something watched, its place on the tape.
#[derive(Clone)]
pub struct Value<T: Kernels> {
    pub tensor: Tensor<T>,
    pub node: Option<NodeId>,
}

impl<T: Kernels> Value<T> {
    pub fn constant(tensor: Tensor<T>) -> Self {
        Self { tensor, node: None }
    }
}

struct Node<T: Kernels> {
    /// `None` at a stop: a leaf, or a watched point that passes its gradient on.
    op: Option<Box<dyn Op<T>>>,
    parents: Vec<Option<NodeId>>,
    inputs: Vec<Option<Tensor<T>>>,
    input_shapes: Vec<Shape>,
    output: Option<Tensor<T>>,
    shape: Shape,
    group: GroupId,
}

struct Walk<T: Kernels> {
    gradients: HashMap<NodeId, Tensor<T>>,
    queue: BinaryHeap<NodeId>,
    /// The stop that the caller is looking at; its gradient goes on at the next step.
    stopped_at: Option<NodeId>,
}

pub struct Tape<T: Kernels> {
    nodes: HashMap<NodeId, Node<T>>,
    next_node: NodeId,
    /// Joined groups point to the one they joined.
    joined: HashMap<GroupId, GroupId>,
    next_group: GroupId,
    /// The groups of the runs under way, innermost last.
    running: Vec<GroupId>,
    walks: Vec<Walk<T>>,
    paused: u32,
}

impl<T: Kernels> Default for Tape<T> {
    fn default() -> Self {
        Self {
            nodes: HashMap::new(),
            next_node: 1,
            joined: HashMap::new(),
            next_group: 1,
            running: Vec::new(),
            walks: Vec::new(),
            paused: 0,
        }
    }
}

impl<T: Kernels> Tape<T> {
    /// Runs `op` and records it when an input is recorded and recording isn't paused.
    pub fn apply<O: Op<T> + 'static>(&mut self, op: O, inputs: &[&Value<T>]) -> Result<Value<T>> {
        let tensors: Vec<&Tensor<T>> = inputs.iter().map(|value| &value.tensor).collect();
        let output = op.forward(&tensors)?;
        Ok(self.record(op, inputs, output))
    }

    /// Records an op whose output was computed already.
    pub fn record<O: Op<T> + 'static>(&mut self, op: O, inputs: &[&Value<T>], output: Tensor<T>) -> Value<T> {
        let parents: Vec<Option<NodeId>> =
            inputs.iter().map(|value| value.node.filter(|node| self.nodes.contains_key(node))).collect();
        let is_differentiable = output.dtype() == Dtype::Float;
        if self.paused > 0 || !is_differentiable || parents.iter().all(Option::is_none) {
            return Value::constant(output);
        }
        let saves = op.saves();
        let group = self.join(&parents);
        let node = Node {
            parents,
            inputs: inputs.iter().map(|value| saves.inputs.then(|| value.tensor.clone())).collect(),
            input_shapes: inputs.iter().map(|value| value.tensor.shape.clone()).collect(),
            output: saves.output.then(|| output.clone()),
            shape: output.shape.clone(),
            group,
            op: Some(Box::new(op)),
        };
        let id = self.push(node);
        Value { tensor: output, node: Some(id) }
    }

    /// Marks a value: the walk will stop there. One that isn't recorded yet becomes a leaf.
    pub fn watch(&mut self, value: &Value<T>) -> Value<T> {
        if self.paused > 0 {
            return value.clone();
        }
        let parents = vec![value.node.filter(|node| self.nodes.contains_key(node))];
        let group = self.join(&parents);
        let node = Node {
            op: None,
            parents,
            inputs: Vec::new(),
            input_shapes: Vec::new(),
            output: None,
            shape: value.tensor.shape.clone(),
            group,
        };
        let id = self.push(node);
        Value { tensor: value.tensor.clone(), node: Some(id) }
    }

    fn push(&mut self, node: Node<T>) -> NodeId {
        let id = self.next_node;
        self.next_node += 1;
        self.nodes.insert(id, node);
        id
    }

    pub fn contains(&self, node: NodeId) -> bool {
        self.nodes.contains_key(&node)
    }

    // --- groups ---

    fn new_group(&mut self) -> GroupId {
        let group = self.next_group;
        self.next_group += 1;
        group
    }

    fn root(&self, mut group: GroupId) -> GroupId {
        while let Some(&next) = self.joined.get(&group) {
            group = next;
        }
        group
    }

    /// The group of a node with these parents: theirs, joined, together with the current run's.
    fn join(&mut self, parents: &[Option<NodeId>]) -> GroupId {
        let mut groups: Vec<GroupId> = parents.iter().flatten().map(|node| self.root(self.nodes[node].group)).collect();
        groups.extend(self.running.last().map(|&group| self.root(group)));
        let Some(&first) = groups.iter().min() else { return self.new_group() };
        for group in groups {
            if group != first {
                self.joined.insert(group, first);
            }
        }
        first
    }

    /// Opens a run: what it records forms a group.
    pub fn begin_run(&mut self) -> GroupId {
        let group = self.new_group();
        self.running.push(group);
        group
    }

    pub fn end_run(&mut self) {
        self.running.pop();
    }

    /// The group that a node or run belongs to by now.
    pub fn group_of(&self, node: NodeId) -> Option<GroupId> {
        self.nodes.get(&node).map(|node| self.root(node.group))
    }

    /// Whether anything of the run is still recorded.
    pub fn is_pending(&self, group: GroupId) -> bool {
        let root = self.root(group);
        self.nodes.values().any(|node| self.root(node.group) == root)
    }

    /// Forgets everything that was recorded in the group.
    pub fn release(&mut self, group: GroupId) {
        let root = self.root(group);
        let joined = &self.joined;
        let root_of = |mut group: GroupId| {
            while let Some(&next) = joined.get(&group) {
                group = next;
            }
            group
        };
        self.nodes.retain(|_, node| root_of(node.group) != root);
        if self.nodes.is_empty() && self.running.is_empty() {
            self.joined.clear();
        }
    }

    pub fn release_all(&mut self) {
        self.nodes.clear();
        self.joined.clear();
    }

    /// Stops recording until [`Tape::resume`]; calls nest.
    pub fn pause(&mut self) {
        self.paused += 1;
    }

    pub fn resume(&mut self) {
        self.paused = self.paused.saturating_sub(1);
    }

    /// Bytes of values that only the tape may be keeping alive (shared ones are counted once per use).
    pub fn bytes(&self) -> usize {
        let bytes = |tensor: &Tensor<T>| tensor.len() * size_of::<T>();
        self.nodes.values().flat_map(|node| node.inputs.iter().flatten().chain(node.output.as_ref())).map(bytes).sum()
    }

    // --- the walk back ---

    /// Starts a walk from `node` with the gradient `seed`; walks nest when a hook starts one of its own.
    pub fn begin_backward(&mut self, node: NodeId, seed: Tensor<T>) -> Result<()> {
        let recorded = self.nodes.get(&node).ok_or_else(|| Error::Tape("the value is no longer recorded".into()))?;
        if recorded.shape != seed.shape {
            return Err(Error::Tape(format!("the seed has shape {:?}, the value {:?}", seed.shape, recorded.shape)));
        }
        self.walks.push(Walk {
            gradients: HashMap::from([(node, seed)]),
            queue: BinaryHeap::from([node]),
            stopped_at: None,
        });
        Ok(())
    }

    /// Walks on to the next stop; `None` when the walk is over (and closed).
    pub fn next_stop(&mut self) -> Result<Option<(NodeId, Tensor<T>)>> {
        let mut walk = self.walks.pop().ok_or_else(|| Error::Tape("no backward pass is under way".into()))?;
        if let Some(node) = walk.stopped_at.take()
            && let Some(gradient) = walk.gradients.remove(&node)
        {
            let parent = self.nodes.get(&node).and_then(|node| node.parents[0]);
            walk.add(parent, gradient)?;
        }
        while let Some(id) = walk.queue.pop() {
            let Some(node) = self.nodes.get(&id) else { continue };
            let Some(op) = &node.op else {
                let gradient = walk.gradients[&id].clone();
                walk.stopped_at = Some(id);
                self.walks.push(walk);
                return Ok(Some((id, gradient)));
            };
            let Some(gradient) = walk.gradients.remove(&id) else { continue };
            let wanted: Vec<bool> = node.parents.iter().map(Option::is_some).collect();
            let saved = Saved {
                inputs: &node.inputs,
                shapes: &node.input_shapes,
                output: node.output.as_ref(),
                wanted: &wanted,
            };
            let gradients = op.vjp(&saved, &gradient)?;
            for (parent, gradient) in node.parents.iter().zip(gradients) {
                if let (Some(_), Some(gradient)) = (parent, gradient) {
                    walk.add(*parent, gradient)?;
                }
            }
        }
        Ok(None)
    }

    /// Replaces the gradient at the current stop: what goes on to the values before it.
    pub fn replace_gradient(&mut self, gradient: Tensor<T>) -> Result<()> {
        let walk = self.walks.last_mut().ok_or_else(|| Error::Tape("no backward pass is under way".into()))?;
        let node = walk.stopped_at.ok_or_else(|| Error::Tape("the backward pass is not at a stop".into()))?;
        let expected = &self.nodes[&node].shape;
        if *expected != gradient.shape {
            return Err(Error::Shape(format!("the gradient has shape {expected:?}, got {:?}", gradient.shape)));
        }
        walk.gradients.insert(node, gradient);
        Ok(())
    }

    /// Abandons the innermost walk, after an exception in a hook.
    pub fn abandon_backward(&mut self) {
        self.walks.pop();
    }
}

impl<T: Kernels> Walk<T> {
    fn add(&mut self, node: Option<NodeId>, gradient: Tensor<T>) -> Result<()> {
        let Some(node) = node else { return Ok(()) };
        match self.gradients.get_mut(&node) {
            None => {
                self.gradients.insert(node, gradient);
                self.queue.push(node);
            }
            Some(total) => {
                let addend = gradient.floats()?;
                for (t, &g) in total.floats_mut()?.iter_mut().zip(addend) {
                    *t += g;
                }
            }
        }
        Ok(())
    }
}
