"""The scene models: small networks of ordinary classes, among them an object detector, trained on the procedural scenes.

::

    scenes ──> cache ──┬─> clip ............ open_clip folder: clip_score_scenes, score maps
                       ├─> captioner ....... transformers folder: image-text-to-text
                       ├─> objects ......... folder of benchmarks.metrics.object_detector: what is missing, invented, recoloured
                       └─> autoencoder ──> generator ......... diffusers folder: StableDiffusionPipeline
                                      └──> editor ............ diffusers folder: StableDiffusionInstructPix2PixPipeline

What comes out is loaded as any other folder of these libraries; nothing in ``methods`` or in the evaluation knows the scene models.
"""
