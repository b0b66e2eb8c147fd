"""Tasks of the measure stage: one a contributor and step, each a reference in and a reference out."""

from mixval.contracts.record import ArtifactRef
from mixval.stages import coalitions, frame, gradients, summaries, terms
from mixval.stages import forward as forward_stage
from mixval.stages import target_gradients as target_stage
from mixval.stages.jobs import MeasureJob
from tasks.base import house_task
from tasks.cluster import committed_or_made, map_on_cluster, on_cluster


@house_task("forward {job.contributor.name}")
def forward_pass(job: MeasureJob) -> ArtifactRef:
    """Losses and features of the sampled rows."""
    return committed_or_made(job.store, forward_stage.forward_ref(job), forward_stage.forward_pass, job)


@house_task("gram {job.contributor.name}")
def gradient_gram(job: MeasureJob, target: MeasureJob) -> ArtifactRef:
    """The tangent kernel of the gradient sample; a large one as groups of layers side by side."""
    ref = gradients.gram_ref(job, target)
    if job.store.committed(ref) is not None:
        return ref
    parts = gradients.gram_parts(job, target)
    if len(parts) == 1:
        return on_cluster(gradients.whole_gram, job, target)
    made = map_on_cluster(gradients.partial_gram, [(job, part, target) for part in parts])
    return on_cluster(gradients.summed_gram, job, made, target)


@house_task("frame")
def summary_frame(target: MeasureJob) -> ArtifactRef:
    """Bandwidths and the sketch's plan, from T alone: what all summaries share."""
    return committed_or_made(target.store, frame.frame_ref(target), frame.make_frame, target)


@house_task("target gradients")
def target_gradients(target: MeasureJob) -> ArtifactRef:
    """T's sketch, by which the risk of summaries is judged."""
    return committed_or_made(
        target.store, target_stage.target_gradients_ref(target), target_stage.make_target_gradients, target
    )


@house_task("summary {job.contributor.name}")
def contributor_summary(job: MeasureJob, target: MeasureJob) -> ArtifactRef:
    """The contributor's mergeable summary: pieces of its shards side by side, then their sum."""
    ref = summaries.summary_ref(job, target)
    if job.store.committed(ref) is not None:
        return ref
    # A task carries the shards of its own pieces alone: with all thousand of a contributor it would weigh 160 KB.
    light = job.model_copy(update={"contributor": job.contributor.without_shards()})
    map_on_cluster(summaries.summarise, [(light, target, chosen) for chosen in summaries.batches(job)])
    return on_cluster(summaries.merged_summary, job, target)


@house_task("terms {job.contributor.name}")
def contributor_terms(job: MeasureJob, target: MeasureJob) -> ArtifactRef:
    """The four terms, or these and the risk, with errors and replicates, from what is stored."""
    return committed_or_made(job.store, terms.terms_ref(job, target), terms.contributor_terms, job, target)


@house_task("coalitions {question}")
def union_values(work: coalitions.CoalitionJob, question: coalitions.Question) -> ArtifactRef:
    """Values of unions of contributors, from their summaries."""
    return committed_or_made(work.target.store, coalitions.answer_ref(work, question), coalitions.answer, work, question)
