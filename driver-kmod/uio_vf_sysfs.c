// SPDX-License-Identifier: GPL-2.0-only
/*
 * uio_vf: sysfs - attributes of the class device and the UIO folder of maps
 */
#include <linux/kobject.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "uio_vf.h"

static struct uio_vf_dev *to_uio_vf(struct device *dev)
{
	return container_of(dev, struct uio_vf_dev, dev);
}

static ssize_t abi_show(struct device *dev, struct device_attribute *attr,
			char *buf)
{
	return sysfs_emit(buf, "%d.%d\n", UIO_VF_ABI_MAJOR, UIO_VF_ABI_MINOR);
}
static DEVICE_ATTR_RO(abi);

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct uio_vf_dev *vf = to_uio_vf(dev);

	if (uio_vf_is_gone(vf))
		return sysfs_emit(buf, "gone\n");
	return sysfs_emit(buf, "%s\n",
			  test_bit(0, &vf->busy) ? "open" : "free");
}
static DEVICE_ATTR_RO(state);

static ssize_t isolation_show(struct device *dev,
			      struct device_attribute *attr, char *buf)
{
	static const char * const names[] = {
		[UIO_VF_ISOLATED] = "isolated",
		[UIO_VF_NO_IOMMU] = "no-iommu",
		[UIO_VF_NOT_COHERENT] = "not-coherent",
		[UIO_VF_SHARED_GROUP] = "shared-group",
		[UIO_VF_NO_INTERRUPT_REMAPPING] = "no-interrupt-remapping",
	};

	/* The device is unregistered before the group is given back. */
	return sysfs_emit(buf, "%s\n",
			  names[uio_vf_group_isolation(to_uio_vf(dev))]);
}
static DEVICE_ATTR_RO(isolation);

static ssize_t owner_pid_show(struct device *dev,
			      struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(to_uio_vf(dev)->owner_pid));
}
static DEVICE_ATTR_RO(owner_pid);

static ssize_t dma_limit_bytes_show(struct device *dev,
				    struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  READ_ONCE(to_uio_vf(dev)->dma_limit_bytes));
}

static ssize_t dma_limit_bytes_store(struct device *dev,
				     struct device_attribute *attr,
				     const char *buf, size_t count)
{
	u64 limit;
	int ret = kstrtou64(buf, 0, &limit);

	if (ret)
		return ret;
	/* Holds for the next registration; what is registered stays. */
	WRITE_ONCE(to_uio_vf(dev)->dma_limit_bytes, limit);
	return count;
}
static DEVICE_ATTR_RW(dma_limit_bytes);

#define UIO_VF_U64_ATTR(_name, _value)					\
static ssize_t _name##_show(struct device *dev,				\
			    struct device_attribute *attr, char *buf)	\
{									\
	struct uio_vf_dev *vf = to_uio_vf(dev);				\
									\
	return sysfs_emit(buf, "%llu\n", (u64)(_value));		\
}									\
static DEVICE_ATTR_RO(_name)

UIO_VF_U64_ATTR(generation, READ_ONCE(vf->generation));
UIO_VF_U64_ATTR(dma_live_bytes, READ_ONCE(vf->dma_live_bytes));
UIO_VF_U64_ATTR(dma_peak_bytes, READ_ONCE(vf->dma_peak_bytes));
UIO_VF_U64_ATTR(event_count, uio_vf_event_count(vf));

static struct attribute *uio_vf_dev_attrs[] = {
	&dev_attr_abi.attr,
	&dev_attr_state.attr,
	&dev_attr_isolation.attr,
	&dev_attr_owner_pid.attr,
	&dev_attr_generation.attr,
	&dev_attr_dma_limit_bytes.attr,
	&dev_attr_dma_live_bytes.attr,
	&dev_attr_dma_peak_bytes.attr,
	&dev_attr_event_count.attr,
	NULL,
};

static const struct attribute_group uio_vf_dev_group = {
	.attrs = uio_vf_dev_attrs,
};

const struct attribute_group *uio_vf_dev_groups[] = {
	&uio_vf_dev_group,
	NULL,
};

/* maps/map<i>/: values are copied, so that they need no device behind them */
struct uio_vf_map {
	struct kobject kobj;
	phys_addr_t addr;
	u64 size;
	int bar;
};

struct uio_vf_map_attr {
	struct attribute attr;
	ssize_t (*show)(const struct uio_vf_map *map, char *buf);
};

static ssize_t map_addr_show(const struct uio_vf_map *map, char *buf)
{
	return sysfs_emit(buf, "%pa\n", &map->addr);
}

static ssize_t map_size_show(const struct uio_vf_map *map, char *buf)
{
	return sysfs_emit(buf, "0x%llx\n", map->size);
}

/* From the start of the first page, as UIO has it. */
static ssize_t map_offset_show(const struct uio_vf_map *map, char *buf)
{
	return sysfs_emit(buf, "0x%llx\n",
			  (unsigned long long)(map->addr & ~PAGE_MASK));
}

static ssize_t map_name_show(const struct uio_vf_map *map, char *buf)
{
	return sysfs_emit(buf, "BAR%d\n", map->bar);
}

#define UIO_VF_MAP_ATTR(_name)						\
static const struct uio_vf_map_attr map_attr_##_name = {		\
	.attr = { .name = #_name, .mode = 0444 },			\
	.show = map_##_name##_show,					\
}

UIO_VF_MAP_ATTR(addr);
UIO_VF_MAP_ATTR(size);
UIO_VF_MAP_ATTR(offset);
UIO_VF_MAP_ATTR(name);

static const struct attribute *const uio_vf_map_attrs[] = {
	&map_attr_addr.attr,
	&map_attr_size.attr,
	&map_attr_offset.attr,
	&map_attr_name.attr,
};

static ssize_t uio_vf_map_show(struct kobject *kobj, struct attribute *attr,
			       char *buf)
{
	struct uio_vf_map_attr *map_attr =
		container_of(attr, struct uio_vf_map_attr, attr);

	return map_attr->show(container_of(kobj, struct uio_vf_map, kobj), buf);
}

static const struct sysfs_ops uio_vf_map_sysfs_ops = {
	.show = uio_vf_map_show,
};

static void uio_vf_map_release(struct kobject *kobj)
{
	kfree(container_of(kobj, struct uio_vf_map, kobj));
}

static const struct kobj_type uio_vf_map_ktype = {
	.release = uio_vf_map_release,
	.sysfs_ops = &uio_vf_map_sysfs_ops,
};

static int uio_vf_sysfs_add_map(struct uio_vf_dev *vf, int bar)
{
	struct uio_vf_map *map = kzalloc(sizeof(*map), GFP_KERNEL);
	unsigned int i;
	int ret;

	if (!map)
		return -ENOMEM;

	map->bar = bar;
	map->addr = vf->bars[bar].start;
	map->size = vf->bars[bar].length;
	ret = kobject_init_and_add(&map->kobj, &uio_vf_map_ktype,
				   vf->maps_kobj, "map%d", bar);
	for (i = 0; !ret && i < ARRAY_SIZE(uio_vf_map_attrs); i++)
		ret = sysfs_create_file(&map->kobj, uio_vf_map_attrs[i]);
	if (ret)
		kobject_put(&map->kobj);
	else
		vf->map_kobjs[bar] = &map->kobj;
	return ret;
}

/**
 * uio_vf_sysfs_add_maps - make the folder "maps", one entry a memory BAR
 * @vf: the device, added to sysfs
 *
 * Return: 0 or the error of sysfs; nothing is left behind.
 */
int uio_vf_sysfs_add_maps(struct uio_vf_dev *vf)
{
	int bar, ret = 0;

	vf->maps_kobj = kobject_create_and_add("maps", &vf->dev.kobj);
	if (!vf->maps_kobj)
		return -ENOMEM;

	for (bar = 0; bar < UIO_VF_NUM_BARS && !ret; bar++)
		if (vf->bars[bar].length &&
		    (pci_resource_flags(vf->pdev, bar) & IORESOURCE_MEM))
			ret = uio_vf_sysfs_add_map(vf, bar);
	if (ret)
		uio_vf_sysfs_del_maps(vf);
	return ret;
}

/**
 * uio_vf_sysfs_del_maps - undo uio_vf_sysfs_add_maps()
 * @vf: the device
 */
void uio_vf_sysfs_del_maps(struct uio_vf_dev *vf)
{
	int bar;

	for (bar = 0; bar < UIO_VF_NUM_BARS; bar++) {
		kobject_del(vf->map_kobjs[bar]);
		kobject_put(vf->map_kobjs[bar]);
		vf->map_kobjs[bar] = NULL;
	}
	kobject_del(vf->maps_kobj);
	kobject_put(vf->maps_kobj);
	vf->maps_kobj = NULL;
}
