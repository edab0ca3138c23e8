// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * irqs.c - the interrupts of a PCI function behind VFIO.
 *
 * There are the five indexes of VFIO: the pin (INTx), MSI, MSI-X, errors, and
 * the request to give the device back. MSI has no vectors. Each vector can be
 * bound to an eventfd, triggered for a test, and unbound. A bound vector
 * enables its index. INTx and MSI-X exclude each other until a count of 0
 * disables the index. Only the pin can be masked: an event that comes meanwhile
 * is raised at the end of the mask.
 *
 * irq_mutex serialises SET_IRQS. Inside it, irq_lock protects the state.
 */
#include "private.h"

u32 iof_vfio_nr_irqs(struct iof_vfio_device *vdev, u32 index)
{
	const struct iof_pci_function *fn = vdev->ops->pci;

	switch (index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return fn->intx;
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return fn->nr_msix;
	case VFIO_PCI_ERR_IRQ_INDEX:
	case VFIO_PCI_REQ_IRQ_INDEX:
		return 1;
	default:
		return 0;
	}
}

static u32 first_vector(u32 index)
{
	switch (index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return IOF_VECTOR_INTX;
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return IOF_VECTOR_MSIX;
	case VFIO_PCI_ERR_IRQ_INDEX:
		return IOF_VECTOR_ERR;
	default:
		return IOF_VECTOR_REQ;
	}
}

void iof_vfio_irqs_init(struct iof_vfio_device *vdev)
{
	mutex_init(&vdev->irq_mutex);
	spin_lock_init(&vdev->irq_lock);
}

/* ---- raising ---- */

static void raise_vector(struct iof_vfio_device *vdev, u32 vector, u32 nr)
{
	lockdep_assert_held(&vdev->irq_lock);
	if (!vdev->irqs[vector])
		return;
	if (vector == IOF_VECTOR_INTX &&
	    (vdev->intx_masked || vdev->intx_disabled))
		WRITE_ONCE(vdev->intx_pending, true);
	else
		iof_plat_eventfd_add(vdev->irqs[vector], nr);
}

void iof_vfio_interrupts(struct iof_vfio_device *vdev, u32 vector, u32 nr)
{
	unsigned long flags;

	if (WARN_ON_ONCE(vector >= vdev->ops->pci->nr_msix))
		return;
	spin_lock_irqsave(&vdev->irq_lock, flags);
	if (!vdev->msix)
		raise_vector(vdev, IOF_VECTOR_INTX, nr);
	else if (READ_ONCE(vdev->pci.dma))
		raise_vector(vdev, IOF_VECTOR_MSIX + vector, nr);
	spin_unlock_irqrestore(&vdev->irq_lock, flags);
}

static void raise_pending(struct iof_vfio_device *vdev)
{
	bool pending = vdev->intx_pending;

	WRITE_ONCE(vdev->intx_pending, false);
	if (pending)
		raise_vector(vdev, IOF_VECTOR_INTX, 1);
}

static void intx_mask(struct iof_vfio_device *vdev, bool mask)
{
	unsigned long flags;

	spin_lock_irqsave(&vdev->irq_lock, flags);
	vdev->intx_masked = mask;
	raise_pending(vdev);
	spin_unlock_irqrestore(&vdev->irq_lock, flags);
}

void iof_vfio_intx_disable(struct iof_vfio_device *vdev, bool disable)
{
	unsigned long flags;

	spin_lock_irqsave(&vdev->irq_lock, flags);
	vdev->intx_disabled = disable;
	raise_pending(vdev);
	spin_unlock_irqrestore(&vdev->irq_lock, flags);
}

bool iof_vfio_msix_enabled(struct iof_vfio_device *vdev)
{
	return READ_ONCE(vdev->msix);
}

bool iof_vfio_intx_pending(struct iof_vfio_device *vdev)
{
	return READ_ONCE(vdev->intx_pending);
}

/* ---- binding ---- */

/* Binds @vector to the eventfd @new (NULL: unbinds it). */
static void bind_vector(struct iof_vfio_device *vdev, u32 vector,
			struct eventfd_ctx *new)
{
	struct eventfd_ctx *old;
	unsigned long flags;

	spin_lock_irqsave(&vdev->irq_lock, flags);
	old = vdev->irqs[vector];
	vdev->irqs[vector] = new;
	if (vector == IOF_VECTOR_INTX && !new) {
		vdev->intx_masked = false;
		WRITE_ONCE(vdev->intx_pending, false);
	}
	spin_unlock_irqrestore(&vdev->irq_lock, flags);
	if (old)
		eventfd_ctx_put(old);
}

static void enable_msix(struct iof_vfio_device *vdev, bool enable)
{
	unsigned long flags;

	spin_lock_irqsave(&vdev->irq_lock, flags);
	WRITE_ONCE(vdev->msix, enable);
	spin_unlock_irqrestore(&vdev->irq_lock, flags);
}

static void disable_index(struct iof_vfio_device *vdev, u32 index)
{
	u32 first = first_vector(index), i;

	if (index == VFIO_PCI_MSIX_IRQ_INDEX)
		enable_msix(vdev, false);
	for (i = 0; i < iof_vfio_nr_irqs(vdev, index); i++)
		bind_vector(vdev, first + i, NULL);
}

void iof_vfio_irqs_disable(struct iof_vfio_device *vdev)
{
	u32 index;

	for (index = 0; index < VFIO_PCI_NUM_IRQS; index++)
		disable_index(vdev, index);
}

/* Is another kind of interrupt enabled? */
static bool excluded(struct iof_vfio_device *vdev, u32 index)
{
	if (index == VFIO_PCI_INTX_IRQ_INDEX)
		return vdev->msix;
	return index == VFIO_PCI_MSIX_IRQ_INDEX && vdev->irqs[IOF_VECTOR_INTX];
}

/* Binds all of the descriptors, or none. -1: the vector is unbound. */
static int bind_fds(struct iof_vfio_device *vdev,
		    const struct vfio_irq_set *set, const s32 *fds)
{
	u32 first = first_vector(set->index) + set->start, i;
	struct eventfd_ctx *new[IOF_PCI_MSIX_MAX] = {};
	int rc = 0;

	lockdep_assert_held(&vdev->irq_mutex);
	if (excluded(vdev, set->index))
		return -EINVAL;
	for (i = 0; i < set->count && !rc; i++) {
		if (fds[i] < -1)
			rc = -EINVAL;
		if (fds[i] < 0)
			continue;
		new[i] = eventfd_ctx_fdget(fds[i]);
		if (IS_ERR(new[i])) {
			rc = PTR_ERR(new[i]);
			new[i] = NULL;
		}
	}
	if (rc) {
		while (i--)
			if (new[i])
				eventfd_ctx_put(new[i]);
		return rc;
	}
	for (i = 0; i < set->count; i++)
		bind_vector(vdev, first + i, new[i]);
	if (set->index == VFIO_PCI_MSIX_IRQ_INDEX)
		enable_msix(vdev, true);
	return 0;
}

/* ---- SET_IRQS ---- */

union irq_values {
	s32 fds[IOF_PCI_MSIX_MAX];
	u8 bools[IOF_PCI_MSIX_MAX];
};

static void trigger(struct iof_vfio_device *vdev,
		    const struct vfio_irq_set *set, const u8 *bools)
{
	u32 first = first_vector(set->index) + set->start, i;
	unsigned long flags;

	spin_lock_irqsave(&vdev->irq_lock, flags);
	for (i = 0; i < set->count; i++)
		if (!bools || bools[i])
			raise_vector(vdev, first + i, 1);
	spin_unlock_irqrestore(&vdev->irq_lock, flags);
}

static int set_trigger(struct iof_vfio_device *vdev,
		       const struct vfio_irq_set *set,
		       const union irq_values *data)
{
	switch (set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_EVENTFD:
		return bind_fds(vdev, set, data->fds);
	case VFIO_IRQ_SET_DATA_BOOL:
		trigger(vdev, set, data->bools);
		return 0;
	default:
		if (set->count)
			trigger(vdev, set, NULL);
		else
			disable_index(vdev, set->index);
		return 0;
	}
}

static int set_mask(struct iof_vfio_device *vdev,
		    const struct vfio_irq_set *set,
		    const union irq_values *data)
{
	u32 type = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK;

	if (set->index != VFIO_PCI_INTX_IRQ_INDEX ||
	    type == VFIO_IRQ_SET_DATA_EVENTFD)
		return -ENOTTY;
	if (!vdev->irqs[IOF_VECTOR_INTX] || !set->count)
		return -EINVAL;
	if (type == VFIO_IRQ_SET_DATA_NONE || data->bools[0])
		intx_mask(vdev, set->flags & VFIO_IRQ_SET_ACTION_MASK);
	return 0;
}

/*
 * Checks the user's arguments. Returns the number of bytes of data, or -EINVAL.
 */
static int check_set(struct iof_vfio_device *vdev, struct vfio_irq_set *set,
		     size_t min)
{
	u32 nr = iof_vfio_nr_irqs(vdev, set->index);
	size_t each;

	if (set->start >= nr || set->count > nr - set->start)
		return -EINVAL;
	set->start = array_index_nospec(set->start, nr);
	switch (set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK) {
	case VFIO_IRQ_SET_DATA_NONE:
		each = 0;
		break;
	case VFIO_IRQ_SET_DATA_BOOL:
		each = sizeof(u8);
		break;
	case VFIO_IRQ_SET_DATA_EVENTFD:
		each = sizeof(s32);
		break;
	default:
		return -EINVAL;
	}
	if (set->argsz - min < set->count * each || (each && !set->count))
		return -EINVAL;
	return set->count * each;
}

int iof_vfio_set_irqs(struct iof_vfio_device *vdev, void __user *arg)
{
	const size_t min = offsetofend(struct vfio_irq_set, count);
	union irq_values data;
	struct vfio_irq_set set;
	int bytes, rc;

	if (copy_from_user(&set, arg, min))
		return -EFAULT;
	if (set.argsz < min || set.index >= VFIO_PCI_NUM_IRQS ||
	    set.flags & ~(VFIO_IRQ_SET_DATA_TYPE_MASK |
			  VFIO_IRQ_SET_ACTION_TYPE_MASK))
		return -EINVAL;
	set.index = array_index_nospec(set.index, (u32)VFIO_PCI_NUM_IRQS);
	bytes = check_set(vdev, &set, min);
	if (bytes < 0)
		return bytes;
	if (bytes && copy_from_user(&data, arg + min, bytes))
		return -EFAULT;

	mutex_lock(&vdev->irq_mutex);
	switch (set.flags & VFIO_IRQ_SET_ACTION_TYPE_MASK) {
	case VFIO_IRQ_SET_ACTION_TRIGGER:
		rc = set_trigger(vdev, &set, &data);
		break;
	case VFIO_IRQ_SET_ACTION_MASK:
	case VFIO_IRQ_SET_ACTION_UNMASK:
		rc = set_mask(vdev, &set, &data);
		break;
	default:
		rc = -EINVAL;
	}
	mutex_unlock(&vdev->irq_mutex);
	return rc;
}
