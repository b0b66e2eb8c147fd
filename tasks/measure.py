"""Tasks of the measure stage: one a contributor and step, each a reference in and a reference out."""

from mixval.contracts.record import ArtifactRef
from mixval.stages import forward as forward_stage
from mixval.stages import gradients, terms
from mixval.stages.jobs import MeasureJob
from tasks.base import house_task
from tasks.cluster import map_on_cluster, on_cluster


@house_task("forward {job.contributor.name}")
def forward_pass(job: MeasureJob) -> ArtifactRef:
    """Losses and features of the sampled rows."""
    ref = forward_stage.forward_ref(job)
    if job.store.committed(ref) is not None:
        return ref
    return on_cluster(forward_stage.forward_pass, job)


@house_task("gram {job.contributor.name}")
def gradient_gram(job: MeasureJob) -> ArtifactRef:
    """The tangent kernel of the gradient sample; a large one as blocks side by side."""
    ref = gradients.gram_ref(job)
    if job.store.committed(ref) is not None:
        return ref
    bounds = gradients.slice_bounds(job)
    if len(bounds) == 1:
        return on_cluster(gradients.whole_gram, job)
    slices = map_on_cluster(gradients.gradient_slice, [(job, piece) for piece in bounds])
    pairs = [(i, j) for i in range(len(slices)) for j in range(i, len(slices))]
    blocks = map_on_cluster(gradients.block, [(job, slices[i], slices[j]) for i, j in pairs])
    return on_cluster(gradients.assembled_gram, job, slices, dict(zip(pairs, blocks, strict=True)))


@house_task("terms {job.contributor.name}")
def contributor_terms(job: MeasureJob, target: MeasureJob) -> ArtifactRef:
    """The four terms, their errors and replicates, from what is stored."""
    ref = terms.terms_ref(job, target)
    if job.store.committed(ref) is not None:
        return ref
    return on_cluster(terms.contributor_terms, job, target)
