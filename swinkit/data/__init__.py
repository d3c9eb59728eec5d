"""From files to batches: reading images, the layouts data sets come in, augmentation, and who gets which sample when.

Import from the file that owns the noun:

    images            read one image file, whatever its colour mode, or say why not
    image_stores      where the bytes of a sample lie: a folder, a zip archive
    classification    a labelled list of images; corrupt samples stop or are skipped
    class_folders, zip_maps, json_lists    the three layouts of a classification data set
    classification_sources                 finds out which layout lies in a folder
    digits            scikit-learn's handwritten digits, no download
    detection         images with objects: the protocol, and how samples become a batch
    coco, coco_json, coco_segmentation     COCO json: targets, what is wrong in it, masks
    detection_sources, detection_check     finds a COCO data set's files; what is in them
    conversion                             Pascal VOC xml and YOLO txt to COCO json
    splits            deterministic stratified train/validation split
    preprocessing, augmentation, rand_augment, mixing    image to tensor: evaluation, training, whole batches
    detection_augmentation, detection_geometry           the same for images with objects
    seeding, sampling, aspect_sampling, loading          random draws, the order of samples, and worker processes
"""
